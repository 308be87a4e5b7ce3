package smtptest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// errEnded says that the session is over.
var errEnded = errors.New("session ended")

// mxSession is one connection of an MX.
type mxSession struct {
	mx       *MX
	options  MXOptions
	number   int
	raw      net.Conn
	conn     net.Conn // raw, or TLS on it
	br       *bufio.Reader
	state    *tls.ConnectionState
	hello    string
	extended bool // EHLO was used
	mail     *Message
	chunked  bool
	user     string
}

func newMXSession(mx *MX, options MXOptions, conn net.Conn, number int) *mxSession {
	return &mxSession{mx: mx, options: options, number: number, raw: conn, conn: conn, br: bufio.NewReader(conn)}
}

// run holds the conversation to its end.
func (s *mxSession) run() {
	if s.options.ImplicitTLS && s.handshake() != nil {
		return
	}
	greeting := s.options.Greeting
	if greeting == "" {
		greeting = "220 mx.test ESMTP"
	}
	_, err := s.answer("CONNECT", "", greeting)
	for err == nil {
		err = s.next()
	}
}

// next reads and serves one command.
func (s *mxSession) next() error {
	line, err := s.br.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasSuffix(line, "\r\n") {
		s.violate("command ends in a bare LF: %q", line)
	}
	verb, argument, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	verb = strings.ToUpper(verb)
	if verb == "." {
		verb = "(dot)" // the stage "." is the end of content, never a command
	}
	s.checkGrouping(verb)
	switch verb {
	case "EHLO", "HELO":
		return s.serveHello(verb, argument)
	case "STARTTLS":
		return s.serveStartTLS(argument)
	case "AUTH":
		return s.serveAuth(argument)
	case "MAIL":
		return s.serveMail(argument)
	case "RCPT":
		return s.serveRcpt(argument)
	case "DATA":
		return s.serveData(argument)
	case "BDAT":
		return s.serveBDAT(argument)
	case "RSET":
		s.mail, s.chunked = nil, false
		return s.reply(verb, argument, "250 2.0.0 OK")
	case "NOOP":
		return s.reply(verb, argument, "250 2.0.0 OK")
	case "QUIT":
		// Only QUIT ends TLS with a close_notify.
		return errors.Join(s.reply(verb, argument, "221 2.0.0 bye"), s.conn.Close(), errEnded)
	default:
		return s.reply(verb, argument, "500 5.5.2 unknown command")
	}
}

// reply is answer where it does not matter whether the reply is positive.
func (s *mxSession) reply(stage, argument, ordinary string) error {
	_, err := s.answer(stage, argument, ordinary)
	return err
}

// answer records the command, gives the reply that the options order or the
// ordinary one, and reports whether it is positive (2yz or 3yz).
func (s *mxSession) answer(stage, argument, ordinary string) (positive bool, err error) {
	command := Command{Connection: s.number, Stage: stage, Argument: argument, TLS: s.state != nil}
	s.mx.recordCommand(command)
	action := s.action(command)
	if action.Reply == "" {
		action.Reply = ordinary
	}
	positive = !action.Silent && (action.Reply[0] == '2' || action.Reply[0] == '3')
	if stage == "." {
		s.finishMessage(positive)
	}
	if !action.Silent {
		if err := s.write(strings.ReplaceAll(action.Reply, "\n", "\r\n") + "\r\n"); err != nil {
			return false, err
		}
	}
	return positive, s.then(action.Then)
}

func (s *mxSession) action(c Command) Action {
	if s.options.Respond != nil {
		if action, ok := s.options.Respond(c); ok {
			return action
		}
	}
	return s.options.Actions[c.Stage]
}

func (s *mxSession) then(then Then) error {
	switch then {
	case Close:
		return errEnded
	case Reset:
		if tcp, ok := s.raw.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // Close sends RST.
		}
		return errEnded
	case Stall:
		return s.stall()
	default:
		return nil
	}
}

// stall swallows what comes until the client or the test ends the connection.
func (s *mxSession) stall() error {
	_, err := io.Copy(io.Discard, s.raw)
	return errors.Join(err, errEnded)
}

// write sends text, slowly where the options want a tarpit.
func (s *mxSession) write(text string) error {
	if s.options.Tarpit == 0 || s.state != nil {
		_, err := io.WriteString(s.conn, text)
		return err
	}
	for i := range len(text) {
		time.Sleep(s.options.Tarpit)
		if _, err := io.WriteString(s.conn, text[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (s *mxSession) serveHello(verb, argument string) error {
	text := "250 mx.test"
	if verb == "EHLO" {
		text = s.ehloReply()
	}
	positive, err := s.answer(verb, argument, text)
	if positive {
		s.hello, s.extended, s.mail, s.chunked = argument, verb == "EHLO", nil, false
	}
	return err
}

func (s *mxSession) ehloReply() string {
	greeting := s.options.EHLOGreeting
	if greeting == "" {
		greeting = "mx.test greets you"
	}
	lines := append([]string{greeting}, s.keywords()...)
	last := len(lines) - 1
	var reply strings.Builder
	for _, line := range lines[:last] {
		fmt.Fprintf(&reply, "250-%s\n", line)
	}
	return reply.String() + "250 " + lines[last]
}

// keywords returns what the MX offers in the present state.
func (s *mxSession) keywords() []string {
	keywords := s.options.Keywords
	if keywords == nil {
		keywords = []string{"PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"}
	}
	keywords = slices.Clone(keywords)
	if s.state != nil {
		keywords = append(keywords, s.options.TLSKeywords...)
	} else if s.options.StartTLS != StartTLSHidden {
		keywords = append(keywords, "STARTTLS")
	}
	if s.options.Auth.Mechanisms != "" {
		keywords = append(keywords, "AUTH "+s.options.Auth.Mechanisms)
	}
	return slices.DeleteFunc(keywords, func(keyword string) bool {
		name, _, _ := strings.Cut(keyword, " ")
		return slices.Contains(s.options.Without, name)
	})
}

// offers reports whether the EHLO reply holds the keyword.
func (s *mxSession) offers(name string) bool {
	return slices.ContainsFunc(s.keywords(), func(keyword string) bool {
		found, _, _ := strings.Cut(keyword, " ")
		return found == name
	})
}
