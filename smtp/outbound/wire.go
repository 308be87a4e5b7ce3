package outbound

import (
	"bufio"
	"context"
	"net"
	"time"

	"postern/smtp/reply"
)

// Sizes of the buffers of a connection. What a batch of commands or a small
// message needs fits in one TLS record, and leaves in one write.
const (
	readBuffer  = 4 << 10
	writeBuffer = 16 << 10
	maxWrite    = 64 << 10 // one deadline covers at most this much
)

// wire is the line side of a connection: buffered in both directions, with a
// deadline on every wait.
type wire struct {
	conn  net.Conn
	in    *bufio.Reader
	out   *bufio.Writer
	block time.Duration // the deadline of each write
	// done is closed when the one that we work for gives up; what is on then
	// has grace left. release ends the watch for it.
	done    <-chan struct{}
	grace   time.Duration
	release func()
	// writeErr is the first error of a write, which tells it from an error of
	// the body's reader.
	writeErr error
	// replies counts what the peer has said.
	replies int
	// trace notes commands and replies for a live test; nil in a delivery.
	trace *trace
}

func newWire(conn net.Conn, block time.Duration) *wire {
	w := &wire{block: block}
	w.attach(conn)
	return w
}

// attach takes over a connection with empty buffers.
func (w *wire) attach(conn net.Conn) {
	w.conn = conn
	w.in = bufio.NewReaderSize(conn, readBuffer)
	w.out = bufio.NewWriterSize(blockWriter{w}, writeBuffer)
}

// guard makes the end of ctx end the wait that is on, and all later ones, after
// grace. It replaces the guard before; unguard takes it off.
func (w *wire) guard(ctx context.Context, grace time.Duration) {
	w.unguard()
	conn, struck := w.conn, make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(struck)
		_ = conn.SetDeadline(time.Now().Add(grace))
	})
	w.done, w.grace = ctx.Done(), grace
	w.release = func() {
		if !stop() {
			<-struck // It must not strike whoever uses the connection next.
		}
	}
}

func (w *wire) unguard() {
	if w.release != nil {
		w.release()
	}
	w.done, w.release = nil, nil
}

// arm sets the deadline of the next wait. An error of SetDeadline is one of the
// connection, which the wait itself will meet.
func (w *wire) arm(timeout time.Duration) {
	_ = w.conn.SetDeadline(time.Now().Add(timeout))
	select {
	case <-w.done: // The guard's deadline may just have been overwritten.
		_ = w.conn.SetDeadline(time.Now().Add(w.grace))
	default:
	}
}

// line puts a command into the current batch.
func (w *wire) line(command string) {
	w.trace.sent(command)
	_, _ = w.out.WriteString(command) // Flush reports the error.
	_, _ = w.out.WriteString("\r\n")
}

// flush sends the batch.
func (w *wire) flush() error { return w.out.Flush() }

// reply reads one reply of the peer.
func (w *wire) reply(timeout time.Duration) (reply.Reply, error) {
	w.arm(timeout)
	r, err := reply.Read(w.in, reply.Limits{})
	w.trace.heard(r, err)
	if err == nil {
		w.replies++
	}
	return r, err
}

// blockWriter writes to the connection in blocks, each with a deadline, so that
// a slow peer may take its time and a stuck one may not.
type blockWriter struct{ w *wire }

// Write writes p in blocks.
func (b blockWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		block := p[:min(len(p), maxWrite)]
		b.w.arm(b.w.block)
		n, err := b.w.conn.Write(block)
		written += n
		if err != nil {
			b.w.writeErr = err
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}
