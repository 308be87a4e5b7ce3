package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"

	gosmtp "github.com/emersion/go-smtp"
)

// letter is a message as a next hop received it.
type letter struct {
	from      string // empty for bounces
	to        []string
	content   string
	encrypted bool
}

// mailbox keeps what all next hops received.
type mailbox struct {
	mu      sync.Mutex
	letters []letter
	added   chan struct{} // closed and made anew with each letter
}

func newMailbox() *mailbox { return &mailbox{added: make(chan struct{})} }

func (m *mailbox) add(l letter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, l)
	close(m.added)
	m.added = make(chan struct{})
}

// find returns the first letter that matches, and else what to wait for.
func (m *mailbox) find(matches func(letter) bool) (letter, bool, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.letters, matches); i >= 0 {
		return m.letters[i], true, nil
	}
	return letter{}, false, m.added
}

// wait returns the first letter that matches, as soon as it is there.
func (m *mailbox) wait(ctx context.Context, matches func(letter) bool) (letter, error) {
	for {
		l, found, added := m.find(matches)
		if found {
			return l, nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return letter{}, ctx.Err()
		}
	}
}

// waitMessage waits for the row's message.
func (m *mailbox) waitMessage(ctx context.Context, r *row) (letter, error) {
	l, err := m.wait(ctx, r.isMessage)
	if err != nil {
		return l, fmt.Errorf("the message did not reach the next hop: %w", err)
	}
	return l, nil
}

// waitNotice waits for the notice that the row's message could not be
// delivered: from nobody, to its sender, about its recipient.
func (m *mailbox) waitNotice(ctx context.Context, r *row) (letter, error) {
	l, err := m.wait(ctx, func(l letter) bool {
		return l.from == "" && slices.Contains(l.to, r.From) && strings.Contains(l.content, r.To)
	})
	if err != nil {
		return l, fmt.Errorf("no notice reached the sender: %w", err)
	}
	return l, nil
}

// checkAbsent returns an error if the row's message has reached a next hop.
func (m *mailbox) checkAbsent(r *row) error {
	if _, found, _ := m.find(r.isMessage); found {
		return errors.New("the message has reached the next hop all the same")
	}
	return nil
}

func (r *row) isMessage(l letter) bool {
	return slices.Contains(l.to, r.To) && strings.Contains(l.content, r.messageID())
}

// sink is a next hop: a mail server that takes everything.
type sink struct {
	server *gosmtp.Server
	port   int
	served chan struct{}
}

// newSink starts a next hop on a port of the system's choice. Without a
// certificate it does not offer STARTTLS.
func newSink(ctx context.Context, name string, certificate *tls.Certificate, mail *mailbox) (*sink, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the next hop %s: %w", name, err)
	}
	s := &sink{port: listener.Addr().(*net.TCPAddr).Port, served: make(chan struct{})}
	s.server = gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		_, encrypted := c.TLSConnectionState()
		return &reception{mail: mail, letter: letter{encrypted: encrypted}}, nil
	}))
	s.server.Domain = name + ".example"
	s.server.ErrorLog = log.New(io.Discard, "", 0) // a client that hangs up is part of the demo
	if certificate != nil {
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // it ends when the sink closes
	}()
	return s, nil
}

func (s *sink) close() {
	_ = s.server.Close()
	<-s.served
}

// reception is a session of a next hop.
type reception struct {
	mail   *mailbox
	letter letter
}

var _ gosmtp.Session = (*reception)(nil)

// Mail begins a message.
func (r *reception) Mail(from string, _ *gosmtp.MailOptions) error {
	r.letter.from = from
	return nil
}

// Rcpt adds a recipient.
func (r *reception) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	r.letter.to = append(r.letter.to, to)
	return nil
}

// Data takes the message.
func (r *reception) Data(content io.Reader) error {
	octets, err := io.ReadAll(io.LimitReader(content, 1<<20))
	if err != nil {
		return err
	}
	r.letter.content = string(octets)
	r.mail.add(r.letter)
	return nil
}

// Reset forgets the message under way.
func (r *reception) Reset() { r.letter = letter{encrypted: r.letter.encrypted} }

// Logout ends the session.
func (*reception) Logout() error { return nil }
