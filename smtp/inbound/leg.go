package inbound

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"postern/smtp/reply"
)

// maxRefusals ends a session after so many 4yz and 5yz replies.
const maxRefusals = 100

// leg is the part of a connection that one go-smtp connection serves: all of it
// where TLS does not change, else the part before or behind STARTTLS. go-smtp
// sees one command at a time and its reply is read before the next; behind
// STARTTLS a fresh leg begins, so that nothing said in clear can survive (B16).
type leg struct {
	*wire
	client  *client
	greeted bool // the banner has been sent
	retired bool // STARTTLS has handed the wire to another leg

	verb     string // of the command that go-smtp is at
	argument string
	feed     []byte // octets that go-smtp has yet to read
	answer   []byte // what go-smtp wrote in answer
	pushed   string // a command line read ahead
	chunk    *chunk // the BDAT command under way
	muted    bool   // the answer under way is not for the client
	ending   bool   // the answer under way is the last
	refusals int
}

var _ net.Conn = (*leg)(nil)

// chunk is one BDAT command (RFC 3030).
type chunk struct {
	size int64
	last bool
}

// Read gives go-smtp the next command. Everything that this package answers
// itself is answered on the way. A fault of ours ends this session, not the
// gateway.
func (l *leg) Read(p []byte) (n int, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			l.client.log("fault", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			_ = l.fail(errWireClosed)
			n, err = 0, io.EOF
		}
	}()
	for len(l.feed) == 0 {
		if err := l.next(); err != nil {
			return 0, io.EOF
		}
	}
	n = copy(p, l.feed)
	l.feed = l.feed[n:]
	return n, nil
}

// next finishes the last command and takes up another.
func (l *leg) next() error {
	if err := l.finish(); err != nil {
		return err
	}
	if l.ending {
		_ = l.flush() // it is over either way
		return l.fail(errWireClosed)
	}
	if l.retired {
		return io.EOF
	}
	line := l.pushed
	l.pushed = ""
	if line == "" {
		var err error
		if line, err = l.readCommand(); err != nil {
			return err
		}
	}
	return l.command(line)
}

// Write collects go-smtp's answer to the command it is at.
func (l *leg) Write(p []byte) (int, error) {
	if l.failure != nil {
		return 0, l.failure
	}
	l.answer = append(l.answer, p...)
	return len(p), nil
}

// finish sends the answer to the last command, in this package's words.
func (l *leg) finish() error {
	answer := l.edit(l.answer)
	if !l.muted {
		l.write(answer)
		if len(answer) > 0 && answer[0] >= '4' {
			l.refusals++
		}
	}
	l.answer, l.muted = l.answer[:0], false
	if l.refusals > maxRefusals {
		return l.hangUp(reply.TooManyErrors())
	}
	// A chunk follows its command even where the command was refused.
	if c := l.chunk; c != nil {
		l.chunk = nil
		return l.readChunk(io.Discard, c.size)
	}
	return l.failure
}

// Close ends the connection, unless another leg has it now.
func (l *leg) Close() error {
	if l.retired {
		return nil
	}
	_ = l.finish() // go-smtp's last words; the connection ends either way
	err := l.close()
	l.client.done()
	return err
}

// readBody copies the message under way to dst, whichever command carries it.
// An error means that the message is void.
func (l *leg) readBody(dst io.Writer) error {
	var err error
	if l.chunk != nil {
		err = l.readChunks(dst)
	} else {
		l.finishReply(reply.StartMailInput())
		err = l.readData(dst)
	}
	// go-smtp now looks for the end of data itself.
	l.feed = []byte(".\r\n")
	return err
}

// finishReply sends a reply in place of go-smtp's answer.
func (l *leg) finishReply(r reply.Reply) {
	l.answer = l.answer[:0]
	l.send(r)
}

// errAborted says that the client gave up the message between two chunks.
var errAborted = errors.New("the client gave up the message")

// readChunks copies the chunks of a message. Its octets are counted: a chunk
// that ends early voids the message (RFC 3030 §2).
func (l *leg) readChunks(dst io.Writer) error {
	l.answer = l.answer[:0]
	for {
		c := l.chunk
		l.chunk = nil
		if err := l.readChunk(dst, c.size); err != nil || c.last {
			return err
		}
		l.send(reply.New(250, reply.Status{}, fmt.Sprintf("%d octets received", c.size)))
		line, err := l.readCommand()
		if err != nil {
			return err
		}
		verb, argument := cutVerb(line)
		if verb != "BDAT" {
			l.pushed, l.muted = line, true
			return errAborted
		}
		if l.chunk, err = parseChunk(argument); err != nil {
			return l.hangUp(reply.BadArgument(err.Error()))
		}
	}
}

// parseChunk reads the argument of BDAT.
func parseChunk(argument string) (*chunk, error) {
	size, last, _ := strings.Cut(argument, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	switch {
	case err != nil || n < 0 || size[0] == '+':
		return nil, errors.New("BDAT takes a number of octets")
	case last != "" && !strings.EqualFold(strings.TrimSpace(last), "LAST"):
		return nil, errors.New("BDAT takes LAST only behind the number")
	}
	return &chunk{size: n, last: last != ""}, nil
}

// The rest of net.Conn. Deadlines are the wire's own business.

func (l *leg) LocalAddr() net.Addr              { return l.socket.LocalAddr() }
func (l *leg) RemoteAddr() net.Addr             { return l.socket.RemoteAddr() }
func (l *leg) SetDeadline(time.Time) error      { return nil }
func (l *leg) SetReadDeadline(time.Time) error  { return nil }
func (l *leg) SetWriteDeadline(time.Time) error { return nil }

// legOf returns the leg that a go-smtp connection runs on.
func legOf(c *gosmtp.Conn) *leg { return c.Conn().(*leg) }
