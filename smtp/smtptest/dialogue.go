package smtptest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"postern/smtp/reply"
)

// RunDialogue plays the client's part of a dialogue file against a server. Each
// line of the file is one step:
//
//	# text           a remark; blank lines are remarks too
//	C: text          the client sends the line with CRLF
//	C-raw: "text"    the client sends the text of a Go string literal as it is
//	C-raw: 99 "text" the same, 99 times
//	S: pattern       the server sends one line; * stands for any text
//	S: 250*          the server sends a reply of any number of lines
//	!has text        the last reply has a line with this text
//	!lacks text      the last reply has no line with this text
//	!tls             the client shakes hands, without verification
//	!tls name=host   the same with a server name
//	!tls certificate=x  the same, and the client shows the certificate x
//	!tls fails       the client shakes hands, and that fails
//	!close           the next thing from the server is the end of the connection
//	!wait-closed     the server ends the connection, whatever it sends before
//
// The words of !has and !lacks are patterns too, matched against the text
// without the code. The last line of a reply must be matched before the client
// goes on. After the last step the client closes the connection.
func RunDialogue(tb testing.TB, addr, file string) {
	tb.Helper()
	RunDialogueAs(tb, addr, file, nil)
}

// RunDialogueAs is [RunDialogue] for a client that has certificates, by the
// names that the file calls them by.
func RunDialogueAs(tb testing.TB, addr, file string, certificates map[string]tls.Certificate) {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	if err := playDialogue(addr, string(text), certificates); err != nil {
		tb.Fatalf("%s:%v", file, err)
	}
}

// playDialogue returns an error that begins with the number of the line.
func playDialogue(addr, text string, certificates map[string]tls.Certificate) error {
	steps, err := parseDialogue(text)
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", addr, Timeout)
	if err != nil {
		return err
	}
	p := &player{conn: conn, br: bufio.NewReader(conn), certificates: certificates}
	defer func() { p.conn.Close() }()
	for _, s := range steps {
		if err := p.play(s); err != nil {
			return fmt.Errorf("%d: %w", s.line, err)
		}
	}
	return nil
}

// player is the client of one dialogue.
type player struct {
	conn net.Conn
	br   *bufio.Reader
	last []string // text of the lines of the last reply, without codes
	open bool     // the last line seen continues

	certificates map[string]tls.Certificate
}

func (p *player) play(s step) error {
	_ = p.conn.SetDeadline(time.Now().Add(Timeout))
	if p.open && s.kind != stepServer {
		return errors.New("the reply has more lines than the dialogue")
	}
	switch s.kind {
	case stepClient:
		_, err := io.WriteString(p.conn, s.text)
		return err
	case stepServer:
		return p.expect(s.text)
	case stepHas:
		return p.expectText(s.text, true)
	case stepLacks:
		return p.expectText(s.text, false)
	case stepTLS:
		return p.startTLS(s.text)
	case stepTLSCertificate:
		return p.showCertificate(s.text)
	case stepTLSFails:
		return p.failTLS()
	case stepClosed:
		return expectEnd(p.br)
	default: // stepWaitClosed
		_, _ = io.Copy(io.Discard, p.br)
		return expectEnd(p.br)
	}
}

// expect reads one line, or a whole reply for a pattern such as 250*.
func (p *player) expect(pattern string) error {
	whole := len(pattern) == 4 && pattern[3] == '*'
	for {
		line, err := p.readLine()
		if err != nil {
			return fmt.Errorf("want %q: %w", pattern, err)
		}
		if !matches(pattern, line) {
			return fmt.Errorf(`got "%s", want %q`, reply.Quote(line, 512), pattern)
		}
		if !whole || !p.open {
			return nil
		}
	}
}

// readLine reads one line of a reply, which must end in CRLF.
func (p *player) readLine() (string, error) {
	octets, err := p.br.ReadSlice('\n')
	line, ok := strings.CutSuffix(string(octets), "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf(`got "%s": %w`, reply.Quote(line, 512), err)
	case !ok:
		return "", fmt.Errorf(`got "%s", which does not end in CRLF`, reply.Quote(line, 512))
	}
	if !p.open {
		p.last = nil
	}
	p.open = len(line) > 3 && line[3] == '-'
	p.last = append(p.last, line[min(4, len(line)):])
	return line, nil
}

// expectText looks for a pattern among the lines of the last reply.
func (p *player) expectText(pattern string, want bool) error {
	found := false
	for _, text := range p.last {
		found = found || matches(pattern, text)
	}
	if found != want {
		return fmt.Errorf(`the reply "%s" has %q: %t, want %t`, reply.Quote(strings.Join(p.last, " | "), 512), pattern, found, want)
	}
	return nil
}

func (p *player) startTLS(name string) error {
	if p.br.Buffered() > 0 {
		return errors.New("octets came in clear before the handshake")
	}
	return p.handshake(&tls.Config{ServerName: name, InsecureSkipVerify: true})
}

// showCertificate starts TLS with a certificate, whether or not the server would
// like another authority's better.
func (p *player) showCertificate(name string) error {
	certificate, ok := p.certificates[name]
	if !ok {
		return fmt.Errorf("there is no certificate %q", name)
	}
	return p.handshake(&tls.Config{
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		},
	})
}

func (p *player) handshake(config *tls.Config) error {
	conn := tls.Client(p.conn, config)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	p.conn, p.br = conn, bufio.NewReader(conn)
	return nil
}

func (p *player) failTLS() error {
	if p.startTLS("") == nil {
		return errors.New("the handshake went well")
	}
	return nil
}

// expectEnd fails unless the next thing is the end of the connection.
func expectEnd(br *bufio.Reader) error {
	octet, err := br.ReadByte()
	if err == nil {
		rest, _ := br.Peek(br.Buffered())
		return fmt.Errorf(`the server sends "%s", want the end of the connection`, reply.Quote(string(octet)+string(rest), 512))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the server keeps the connection open")
	}
	return nil
}
