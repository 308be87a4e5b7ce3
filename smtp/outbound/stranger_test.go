package outbound

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"postern/smtp/smtptest"
)

// stranger is an SMTP server that others wrote.
type stranger struct {
	addr string

	mu       sync.Mutex
	messages []takenMessage
}

type takenMessage struct {
	envelopeID, originalRecipient, content string
	recipients                             []string
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	s := &stranger{}
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) {
		return &strangerSession{server: s}, nil
	}))
	server.Domain = "mx.example.com"
	server.EnableDSN, server.EnableSMTPUTF8 = true, true
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"mx.example.com"}}).TLS}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return s
}

func (s *stranger) taken() []takenMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

type strangerSession struct {
	server  *stranger
	message takenMessage
}

func (s *strangerSession) Mail(_ string, options *gosmtp.MailOptions) error {
	s.message = takenMessage{envelopeID: options.EnvelopeID}
	return nil
}

func (s *strangerSession) Rcpt(to string, options *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "never@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.message.recipients = append(s.message.recipients, to)
	s.message.originalRecipient += options.OriginalRecipient
	return nil
}

func (s *strangerSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.message.content = string(content)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.messages = append(s.server.messages, s.message)
	return nil
}

func (s *strangerSession) Reset() {}

func (s *strangerSession) Logout() error { return nil }
