package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"time"
)

// patience bounds every step of a session. A gateway that is slower than this
// has hung.
const patience = time.Minute

// target is where mail is sent and how.
type target struct {
	addr     string
	startTLS bool
	helo     string
	from     string
}

// session is one SMTP connection.
type session struct {
	conn   net.Conn
	client *smtp.Client
	from   string
	sent   int // messages acknowledged on this connection
}

// dial connects and gets as far as EHLO, inside TLS where it was asked for.
func (t target) dial() (*session, error) {
	conn, err := net.DialTimeout("tcp", t.addr, patience)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, from: t.from}
	if err := s.greet(t); err != nil {
		_ = conn.Close() // the greeting's error says more
		return nil, err
	}
	return s, nil
}

func (s *session) greet(t target) error {
	if err := s.allowTime(); err != nil {
		return err
	}
	client, err := smtp.NewClient(s.conn, "ledger")
	if err != nil {
		return fmt.Errorf("banner: %w", err)
	}
	s.client = client
	if err := client.Hello(t.helo); err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if !t.startTLS {
		return nil
	}
	// Who the gateway is does not matter to a load client, which runs on the
	// same machine; that the session is encrypted does.
	if err := client.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	return nil
}

// allowTime gives the next step its time.
func (s *session) allowTime() error { return s.conn.SetDeadline(time.Now().Add(patience)) }

// send returns nil after the 250 that acknowledges the message. After an error
// the session is of no use any more.
func (s *session) send(m message) error {
	if err := s.allowTime(); err != nil {
		return err
	}
	if err := s.client.Mail(s.from); err != nil {
		return fmt.Errorf("MAIL: %w", err)
	}
	if err := s.client.Rcpt(m.to); err != nil {
		return fmt.Errorf("RCPT: %w", err)
	}
	content, err := s.client.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := content.Write(m.text); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if err := content.Close(); err != nil {
		return fmt.Errorf("end of DATA: %w", err)
	}
	s.sent++
	return nil
}

// quit ends a session in good order.
func (s *session) quit() error {
	err := s.allowTime()
	if err == nil {
		err = s.client.Quit()
	}
	_ = s.conn.Close() // Quit has closed it, unless it failed
	return err
}

// abandon ends a session that failed.
func (s *session) abandon() { _ = s.conn.Close() }
