package inbound

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"postern/smtp/reply"
)

// Bounds of the wire.
const (
	maxCommandOctets = 4096 // RFC 5321 §4.5.3.1.4 asks for 512; DSN and SMTPUTF8 need more
	maxPendingOctets = 64 << 10
	readBufferOctets = 8 << 10
	writeTimeout     = 2 * time.Minute
	handshakeTimeout = 30 * time.Second
)

// errWireClosed ends a go-smtp connection whose wire has said its last word.
var errWireClosed = errors.New("the session is over")

// wire is one SMTP connection as this package sees it: the socket, TLS once it
// has started, lines that end in CRLF only, replies that leave in one write per
// batch. It stands between the socket and go-smtp, above TLS, so that every
// octet of every command and message passes here first.
//
// One goroutine at a time reads and writes; only drain may be called from
// elsewhere.
type wire struct {
	socket net.Conn
	conn   net.Conn // the socket, or TLS on it
	tls    *tls.ConnectionState
	in     *bufio.Reader
	out    []byte // replies not yet sent

	idle    time.Duration // longest silence of the client
	endsAt  time.Time     // end of the session, whatever happens
	failure error         // sticky: what ended the wire

	mu      sync.Mutex // guards waiting, against drain
	waiting bool       // blocked for a command, nothing is in progress
	drained atomic.Bool
}

func newWire(socket net.Conn, idle, session time.Duration) *wire {
	w := &wire{socket: socket, conn: socket, idle: idle, endsAt: time.Now().Add(session)}
	w.in = bufio.NewReaderSize(wireReader{w}, readBufferOctets)
	return w
}

// wireReader feeds the buffer. It sends what is pending before it waits, so
// that the replies to a batch of pipelined commands leave in one write.
type wireReader struct{ w *wire }

func (r wireReader) Read(p []byte) (int, error) {
	w := r.w
	if w.failure != nil {
		return 0, w.failure
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	deadline := time.Now().Add(w.idle)
	if deadline.After(w.endsAt) {
		deadline = w.endsAt
	}
	if err := w.await(deadline); err != nil {
		return 0, err
	}
	return w.conn.Read(p)
}

// await sets the deadline of the next read, unless the session was told to end.
func (w *wire) await(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting && w.drained.Load() {
		deadline = time.Unix(1, 0)
	}
	return w.conn.SetReadDeadline(deadline)
}

// send queues a reply.
func (w *wire) send(r reply.Reply) { w.write(r.Append(nil)) }

func (w *wire) write(p []byte) {
	if w.failure == nil {
		w.out = append(w.out, p...)
	}
	if len(w.out) > maxPendingOctets {
		_ = w.flush() // its error sticks
	}
}

// flush sends what is pending in one write.
func (w *wire) flush() error {
	if len(w.out) == 0 || w.failure != nil {
		return w.failure
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return w.fail(err)
	}
	_, err := w.conn.Write(w.out)
	w.out = w.out[:0]
	return w.fail(err)
}

// fail makes the first error that ends the wire stick.
func (w *wire) fail(err error) error {
	if w.failure == nil {
		w.failure = err
	}
	return err
}

// readCommand returns the next command line without its CRLF. Lines that break
// the rules of B19 are answered here; an error means that the wire is done.
func (w *wire) readCommand() (string, error) {
	w.setWaiting(true)
	defer w.setWaiting(false)
	for {
		line, err := w.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return "", w.hangUp(reply.LineTooLong())
		case err != nil:
			return "", w.readFailed(err)
		case len(line) > maxCommandOctets:
			w.send(reply.LineTooLong())
			continue
		}
		command, ok := cutLineEnd(line)
		if !ok {
			// B19: what follows may be smuggled, so the session ends.
			return "", w.hangUp(reply.BareLineEndInCommand())
		}
		return command, nil
	}
}

// cutLineEnd removes CRLF; false if the line ends in a bare LF or holds a bare
// CR or a NUL.
func cutLineEnd(line []byte) (string, bool) {
	n := len(line)
	if n < 2 || line[n-2] != '\r' {
		return "", false
	}
	line = line[:n-2]
	for _, c := range line {
		if c == '\r' || c == 0 {
			return "", false
		}
	}
	return string(line), true
}

// readFailed turns a failed read into the session's last words: a time-out and
// a shutdown are told to the client, a closed connection is not.
func (w *wire) readFailed(err error) error {
	var timeout net.Error
	switch {
	case !errors.As(err, &timeout) || !timeout.Timeout():
		return w.fail(err)
	case w.drained.Load():
		return w.hangUp(reply.ShuttingDown())
	}
	return w.hangUp(reply.TimedOut())
}

// hangUp sends a last reply and ends the wire.
func (w *wire) hangUp(r reply.Reply) error {
	w.send(r)
	if err := w.flush(); err != nil {
		return err
	}
	return w.fail(errWireClosed)
}

func (w *wire) setWaiting(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = waiting
}

// drain ends the session at the next command with 421; one that waits for a
// command is woken. A message in progress is finished first.
func (w *wire) drain() {
	w.drained.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting {
		// The socket, not w.conn: under TLS a deadline on it ends the read too,
		// and it never changes.
		_ = w.socket.SetReadDeadline(time.Unix(1, 0)) // an error means that it is closed already
	}
}

// startTLS runs the handshake on the socket. Octets that the client sent behind
// STARTTLS in clear end the session: they are an injection attempt (B16).
func (w *wire) startTLS(config *tls.Config) error {
	if w.in.Buffered() > 0 {
		return w.fail(errInjection)
	}
	w.send(reply.ReadyForTLS())
	if err := w.handshake(config); err != nil {
		return err
	}
	w.in.Reset(wireReader{w})
	return nil
}

// handshake runs the handshake on the socket, after what is pending was sent.
// Its error is final: the session never goes on in clear (B16).
func (w *wire) handshake(config *tls.Config) error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.socket.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return w.fail(err)
	}
	conn := tls.Server(w.socket, config)
	if err := conn.Handshake(); err != nil {
		return w.fail(err)
	}
	state := conn.ConnectionState()
	w.conn, w.tls = conn, &state
	return nil
}

// errInjection ends a session that had clear text queued behind STARTTLS.
var errInjection = errors.New("clear text behind STARTTLS")

// close ends the connection, with a TLS close_notify where TLS is on.
func (w *wire) close() error {
	_ = w.flush() // the connection ends either way
	if w.failure == nil {
		w.failure = errWireClosed
	}
	return w.conn.Close()
}

// readData copies the content of DATA to dst, up to CRLF.CRLF.
func (w *wire) readData(dst io.Writer) error {
	decoder := dotDecoder{dst: dst}
	for {
		chunk, err := w.peek()
		if err != nil {
			return err
		}
		used, err := decoder.decode(chunk)
		_, _ = w.in.Discard(used) // they are in the buffer
		if errors.Is(err, errEndOfData) {
			return nil
		}
		if err != nil {
			return w.fail(err)
		}
	}
}

// readChunk copies n octets to dst: a chunk of BDAT.
func (w *wire) readChunk(dst io.Writer, n int64) error {
	for n > 0 {
		chunk, err := w.peek()
		if err != nil {
			return err
		}
		chunk = chunk[:min(int64(len(chunk)), n)]
		if _, err := dst.Write(chunk); err != nil {
			return w.fail(err)
		}
		used, _ := w.in.Discard(len(chunk)) // they are in the buffer
		n -= int64(used)
	}
	return nil
}

// peek returns what is buffered, and waits where nothing is.
func (w *wire) peek() ([]byte, error) {
	if w.in.Buffered() == 0 {
		if _, err := w.in.Peek(1); err != nil {
			return nil, w.readFailed(err)
		}
	}
	return w.in.Peek(w.in.Buffered())
}
