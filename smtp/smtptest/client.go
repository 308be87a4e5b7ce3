package smtptest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postern/smtp/reply"
)

// Client is an SMTP client that does exactly what the test says. A reply other
// than the wanted one fails the test. Use one from one goroutine at a time.
type Client struct {
	tb   testing.TB
	conn net.Conn
	br   *bufio.Reader
}

// Dial connects; it does not wait for the greeting. The connection ends with the
// test.
func Dial(tb testing.TB, addr string) *Client {
	tb.Helper()
	conn, err := net.DialTimeout("tcp", addr, Timeout)
	if err != nil {
		tb.Fatalf("dial: %v", err)
	}
	return NewClient(tb, conn)
}

// DialTLS connects under implicit TLS (RFC 8314).
func DialTLS(tb testing.TB, addr string, config *tls.Config) *Client {
	tb.Helper()
	c := Dial(tb, addr)
	c.Handshake(config)
	return c
}

// NewClient speaks over a connection that exists. The connection ends with the
// test.
func NewClient(tb testing.TB, conn net.Conn) *Client {
	tb.Cleanup(func() { conn.Close() })
	return &Client{tb: tb, conn: conn, br: bufio.NewReader(conn)}
}

// Greet waits for the greeting 220 and says EHLO, and returns its reply.
func (c *Client) Greet() reply.Reply {
	c.tb.Helper()
	c.Expect(220)
	return c.Cmd(250, "EHLO client.test")
}

// Cmd sends a command and returns its reply, which must have the code; 0 takes
// any.
func (c *Client) Cmd(code int, format string, args ...any) reply.Reply {
	c.tb.Helper()
	c.Write(fmt.Sprintf(format, args...) + "\r\n")
	return c.Expect(code)
}

// Write sends text as it is.
func (c *Client) Write(text string) {
	c.tb.Helper()
	c.setDeadline()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.tb.Fatalf("write %s: %v", reply.Quote(text, 80), err)
	}
}

// Expect reads a reply, which must have the code; 0 takes any.
func (c *Client) Expect(code int) reply.Reply {
	c.tb.Helper()
	c.setDeadline()
	r, err := reply.Read(c.br, reply.Limits{})
	if err != nil {
		c.tb.Fatalf("read reply, want %d: %v", code, err)
	}
	if code != 0 && r.Code != code {
		c.tb.Fatalf("reply %v, want %d", r, code)
	}
	return r
}

// StartTLS issues STARTTLS, shakes hands and returns the state. EHLO is the
// caller's to say again.
func (c *Client) StartTLS(config *tls.Config) tls.ConnectionState {
	c.tb.Helper()
	c.Cmd(220, "STARTTLS")
	return c.Handshake(config)
}

// Handshake puts TLS on the connection without a command before. A nil config
// verifies nothing.
func (c *Client) Handshake(config *tls.Config) tls.ConnectionState {
	c.tb.Helper()
	state, err := c.TryHandshake(config)
	if err != nil {
		c.tb.Fatalf("handshake: %v", err)
	}
	return state
}

// TryHandshake is Handshake for a handshake that may fail.
func (c *Client) TryHandshake(config *tls.Config) (tls.ConnectionState, error) {
	c.tb.Helper()
	if c.br.Buffered() > 0 {
		c.tb.Fatalf("%d octets came in clear before the handshake", c.br.Buffered())
	}
	if config == nil {
		config = &tls.Config{InsecureSkipVerify: true}
	}
	c.setDeadline()
	conn := tls.Client(c.conn, config)
	if err := conn.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	c.conn, c.br = conn, bufio.NewReader(conn)
	return conn.ConnectionState(), nil
}

// Send runs a whole transaction, content in any line ends, and returns the reply
// to the content. Sender and recipients are addresses without brackets; all
// must be accepted.
func (c *Client) Send(from string, to []string, content string) reply.Reply {
	c.tb.Helper()
	c.Cmd(250, "MAIL FROM:<%s>", from)
	for _, recipient := range to {
		c.Cmd(250, "RCPT TO:<%s>", recipient)
	}
	c.Cmd(354, "DATA")
	c.Write(Stuff(content))
	return c.Expect(250)
}

// Quit says QUIT and waits until the server has closed.
func (c *Client) Quit() {
	c.tb.Helper()
	c.Cmd(221, "QUIT")
	c.ExpectClosed()
}

// Close closes the connection without a word.
func (c *Client) Close() { c.conn.Close() }

// ExpectClosed fails the test unless the next thing from the server is the end
// of the connection.
func (c *Client) ExpectClosed() {
	c.tb.Helper()
	c.setDeadline()
	if err := expectEnd(c.br); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *Client) setDeadline() { _ = c.conn.SetDeadline(time.Now().Add(Timeout)) }

// Stuff returns content as DATA sends it: CRLF line ends, dots doubled at the
// start of lines, the final dot.
func Stuff(content string) string {
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\n", "\r\n")
	if content != "" && !strings.HasSuffix(content, "\r\n") {
		content += "\r\n"
	}
	content = strings.ReplaceAll("\r\n"+content, "\r\n.", "\r\n..")[2:]
	return content + ".\r\n"
}
