package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// redialPause keeps connections that fail from becoming the load themselves.
const redialPause = 20 * time.Millisecond

// load is what a run sends.
type load struct {
	address       string
	secure        bool
	connections   int
	perConnection int // messages
	size          int // of the body, in bytes
	domains       int // over which the recipients are spread
	domain        string

	duration time.Duration // 0: until all messages are sent
	messages int           // at most

	enough <-chan struct{} // ends the load when it is closed

	stubborn bool // connects again when the relay is gone
}

// recipient returns the recipient of a message.
func (l load) recipient(seq int) string {
	if l.domain != "" {
		return "user@" + l.domain
	}
	return fmt.Sprintf("user@d%02d.example", seq%l.domains)
}

// sending is a load on its way.
type sending struct {
	load
	body   body
	ledger *ledger
	next   atomic.Int64
	until  time.Time

	mu    sync.Mutex
	first error // of those that ended a connection
}

// send runs the load and returns when its last message is answered.
func (l load) send(ctx context.Context, ledger *ledger, body body) error {
	s := &sending{load: l, body: body, ledger: ledger}
	if l.duration > 0 {
		s.until = time.Now().Add(l.duration)
	}
	var workers sync.WaitGroup
	for range l.connections {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Wait()
	return s.first
}

// take returns the number of the next message; false: there is none.
func (s *sending) take(ctx context.Context) (int, bool) {
	select {
	case <-ctx.Done():
		return 0, false
	case <-s.enough:
		return 0, false
	default:
	}
	if !s.until.IsZero() && time.Now().After(s.until) {
		return 0, false
	}
	seq := int(s.next.Add(1) - 1)
	return seq, seq < s.messages
}

// work sends messages over one connection after the other.
func (s *sending) work(ctx context.Context) {
	var c *client
	var onThis int
	for {
		seq, ok := s.take(ctx)
		if !ok {
			break
		}
		for !s.try(ctx, &c, seq) {
			if !s.stubborn || ctx.Err() != nil {
				return
			}
			time.Sleep(redialPause)
		}
		if onThis++; onThis == s.perConnection {
			c.quit()
			c, onThis = nil, 0
		}
	}
	if c != nil {
		c.quit()
	}
}

// try sends one message over the connection, or over a new one where there is
// none. A message that was not answered may be sent again: the relay has not
// taken it on, or takes it on twice.
func (s *sending) try(ctx context.Context, c **client, seq int) bool {
	if *c == nil {
		fresh, err := dialRelay(ctx, s.address, s.secure)
		if err != nil {
			s.note(err)
			return false
		}
		*c = fresh
	}
	recipient := s.recipient(seq)
	header := appendHeader(make([]byte, 0, 512), s.ledger.run, seq, recipient)
	s.ledger.beginning(seq)
	if err := (*c).send(recipient, header, s.body.stuffed); err != nil {
		s.note(err)
		(*c).raw.Close()
		*c = nil
		return false
	}
	s.ledger.acknowledge(seq)
	return true
}

func (s *sending) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil && !s.stubborn {
		s.first = err
	}
}
