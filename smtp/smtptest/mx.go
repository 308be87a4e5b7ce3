package smtptest

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// MXOptions says how an [MX] behaves. The zero value is a healthy mail exchanger
// with STARTTLS and a self-signed certificate.
type MXOptions struct {
	// Address to listen on; empty means 127.0.0.1:0.
	Address string

	// Greeting is the whole greeting, such as "554 5.7.1 no"; lines are
	// separated by "\n".
	Greeting string
	// EHLOGreeting is the text of the first line of the EHLO reply.
	EHLOGreeting string
	// Keywords replaces the EHLO keywords other than STARTTLS.
	Keywords []string
	// Without takes keywords away, such as "PIPELINING".
	Without []string
	// TLSKeywords come on top inside TLS, such as "REQUIRETLS".
	TLSKeywords []string

	// StartTLS is what becomes of STARTTLS.
	StartTLS StartTLS
	// ImplicitTLS starts the handshake before the greeting (RFC 8314).
	ImplicitTLS bool
	// Certificate to serve; a self-signed one for mx.test where it is empty.
	Certificate tls.Certificate
	// MinTLS and MaxTLS bound the version; zero means 1.0 and the newest.
	MinTLS, MaxTLS uint16
	// RefusePostQuantum fails handshakes that offer a post-quantum group, as
	// servers do that cannot read a large ClientHello.
	RefusePostQuantum bool

	// Auth is what becomes of AUTH.
	Auth Auth

	// Actions replaces the ordinary reply at a stage: "CONNECT", a verb such as
	// "RCPT", or "." for the end of the content, by DATA or BDAT LAST. Keywords are
	// better set above than by an EHLO reply: what clients may use follows them.
	Actions map[string]Action
	// Respond does the same by a function, which is asked first; false leaves
	// the command to Actions. It may be called by several sessions at once.
	Respond func(Command) (Action, bool)
	// Tarpit is the pause before every octet that is sent in clear.
	Tarpit time.Duration
}

// Command is one command as a session received it.
type Command struct {
	Connection int    // from 1
	Stage      string // "CONNECT", the verb in upper case, or "."
	Argument   string // what follows the verb
	TLS        bool
}

// Message is a message as the MX accepted it.
type Message struct {
	Connection int    // from 1
	Hello      string // the name that the client gave last
	Sender     Path
	Recipients []Path
	Content    []byte // without dot-stuffing and final dot
	Chunked    bool   // sent by BDAT
	User       string // who authenticated; empty: nobody
	// TLS is the state of the session; nil in clear.
	TLS *tls.ConnectionState
}

// Path is the argument of MAIL or RCPT as it stood on the wire.
type Path struct {
	Address    string // without the angle brackets
	Parameters string
}

// MX is a mail exchanger.
type MX struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu          sync.Mutex
	options     MXOptions
	closed      bool
	open        map[net.Conn]struct{}
	connections int
	messages    []Message
	commands    []Command
	violations  []string
}

// NewMX starts a mail exchanger that ends with the test.
func NewMX(tb testing.TB, options MXOptions) *MX {
	tb.Helper()
	if options.Address == "" {
		options.Address = "127.0.0.1:0"
	}
	if options.Certificate.Certificate == nil {
		options.Certificate = SelfSigned(tb, Leaf{Names: []string{"mx.test"}}).TLS
	}
	listener, err := net.Listen("tcp", options.Address)
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	mx := &MX{listener: listener, options: options, open: make(map[net.Conn]struct{})}
	mx.wg.Go(mx.accept)
	tb.Cleanup(mx.Close)
	return mx
}

// Addr returns host and port.
func (mx *MX) Addr() string { return mx.listener.Addr().String() }

// AddrPort returns address and port.
func (mx *MX) AddrPort() netip.AddrPort { return netip.MustParseAddrPort(mx.Addr()) }

// Update changes the behaviour for connections that come later.
func (mx *MX) Update(change func(*MXOptions)) {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	change(&mx.options)
}

// Close ends all sessions and the MX. The test calls it at its end.
func (mx *MX) Close() {
	mx.mu.Lock()
	mx.closed = true
	mx.listener.Close()
	for conn := range mx.open {
		conn.Close()
	}
	mx.mu.Unlock()
	mx.wg.Wait()
}

// Connections returns how many connections came so far.
func (mx *MX) Connections() int {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	return mx.connections
}

// OpenConnections returns how many connections are open.
func (mx *MX) OpenConnections() int {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	return len(mx.open)
}

// Messages returns the messages accepted so far, in order.
func (mx *MX) Messages() []Message {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	return slices.Clone(mx.messages)
}

// WaitMessages waits for n messages and returns all.
func (mx *MX) WaitMessages(tb testing.TB, n int) []Message {
	tb.Helper()
	var messages []Message
	Eventually(tb, func() bool {
		messages = mx.Messages()
		return len(messages) >= n
	}, fmt.Sprintf("%d messages at the MX", n))
	return messages
}

// Commands returns the commands received so far, in order.
func (mx *MX) Commands() []Command {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	return slices.Clone(mx.commands)
}

// Violations returns what clients did against the protocol, such as sending
// 8-bit content without 8BITMIME. A test of a sender asserts that it is empty.
func (mx *MX) Violations() []string {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	return slices.Clone(mx.violations)
}

func (mx *MX) accept() {
	for {
		conn, err := mx.listener.Accept()
		if err != nil {
			return
		}
		if s := mx.enter(conn); s != nil {
			mx.wg.Go(func() {
				s.run()
				mx.leave(conn)
			})
		}
	}
}

// enter registers a connection and makes its session; nil when the MX is closed.
func (mx *MX) enter(conn net.Conn) *mxSession {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	if mx.closed {
		conn.Close()
		return nil
	}
	mx.open[conn] = struct{}{}
	mx.connections++
	return newMXSession(mx, mx.options, conn, mx.connections)
}

func (mx *MX) leave(conn net.Conn) {
	conn.Close()
	mx.mu.Lock()
	defer mx.mu.Unlock()
	delete(mx.open, conn)
}

func (mx *MX) recordMessage(m Message) {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	mx.messages = append(mx.messages, m)
}

func (mx *MX) recordCommand(c Command) {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	mx.commands = append(mx.commands, c)
}

func (mx *MX) recordViolation(text string) {
	mx.mu.Lock()
	defer mx.mu.Unlock()
	mx.violations = append(mx.violations, text)
}
