package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// blaster is a load client at work.
type blaster struct {
	blastOptions
	author *author
	book   *ledger

	claimed                                  atomic.Int64
	acknowledged, dropped, refused, undialed atomic.Int64

	mu      sync.Mutex
	trouble error // the last one
	broken  error // of the ledger: nothing that follows could be proved
}

// run sends until enough messages are acknowledged or the context ends. A
// message that is under way then is finished.
func (b *blaster) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pace := b.pace(ctx)
	var workers sync.WaitGroup
	for range b.connections {
		workers.Go(func() { b.work(ctx, cancel, pace) })
	}
	workers.Wait()
}

// pace ticks once for every message that may be sent; nil where there is no
// limit.
func (b *blaster) pace(ctx context.Context) <-chan time.Time {
	if b.rate <= 0 {
		return nil
	}
	ticker := time.NewTicker(time.Duration(float64(time.Second) / b.rate))
	context.AfterFunc(ctx, ticker.Stop)
	return ticker.C
}

// work sends one message after the other, over one connection after the other.
func (b *blaster) work(ctx context.Context, giveUp context.CancelFunc, pace <-chan time.Time) {
	var s *session
	for b.claim(ctx, pace) {
		var m message
		if s, m = b.deliver(ctx, s); s == nil {
			return // the context has ended
		}
		if err := b.book.add(m); err != nil {
			b.note(&b.broken, err)
			giveUp()
			return
		}
		b.acknowledged.Add(1)
	}
	b.end(s)
}

// claim takes one of the messages that are left to be sent.
func (b *blaster) claim(ctx context.Context, pace <-chan time.Time) bool {
	if b.messages > 0 && b.claimed.Add(1) > int64(b.messages) || ctx.Err() != nil {
		return false
	}
	if pace == nil {
		return true
	}
	select {
	case <-pace:
		return true
	case <-ctx.Done():
		return false
	}
}

// The wait before a connection is tried again grows between these.
const (
	shortestWait = 20 * time.Millisecond
	longestWait  = time.Second
)

// deliver sends one message, again and again until it is acknowledged, each
// time under a new id. It returns the session that did; nil where the context
// ended first.
func (b *blaster) deliver(ctx context.Context, s *session) (*session, message) {
	for wait := shortestWait; ; wait = min(2*wait, longestWait) {
		s = b.renewed(s)
		if s != nil {
			m := b.author.next()
			err := s.send(m)
			if err == nil {
				return s, m
			}
			b.count(err)
			s.abandon()
			s = nil
		}
		select {
		case <-ctx.Done():
			return nil, message{}
		case <-time.After(wait):
		}
	}
}

// renewed returns a session that may carry another message: the given one, or a
// new one in its place. It is nil where none can be had.
func (b *blaster) renewed(s *session) *session {
	if s != nil && s.sent < b.perConnection {
		return s
	}
	b.end(s)
	s, err := b.target.dial()
	if err != nil {
		b.undialed.Add(1)
		b.note(&b.trouble, err)
		return nil
	}
	return s
}

// end closes a session that has done its work.
func (b *blaster) end(s *session) {
	if s == nil {
		return
	}
	if err := s.quit(); err != nil {
		b.count(fmt.Errorf("QUIT: %w", err))
	}
}

// count puts a failure under those that the gateway announced and those that it
// did not. A 421 announces that the connection is closed (RFC 5321 §3.8), which
// is a session dropped.
func (b *blaster) count(err error) {
	b.note(&b.trouble, err)
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code != 421 {
		b.refused.Add(1)
		return
	}
	b.dropped.Add(1)
}

func (b *blaster) note(place *error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*place = err
}

func (b *blaster) report(out io.Writer, took time.Duration) {
	n := b.acknowledged.Load()
	fmt.Fprintf(out, "acknowledged %d  dropped %d  refused %d  not connected %d  seconds %.1f  per second %.0f\n",
		n, b.dropped.Load(), b.refused.Load(), b.undialed.Load(), took.Seconds(), float64(n)/took.Seconds())
	if b.trouble != nil {
		fmt.Fprintln(out, "last trouble:", b.trouble)
	}
}

// verdict returns what is wrong with the run.
func (b *blaster) verdict() error {
	n := b.acknowledged.Load()
	switch {
	case b.broken != nil:
		return fmt.Errorf("write the ledger: %w", b.broken)
	case n < int64(b.messages):
		return fmt.Errorf("only %d of %d messages were acknowledged: %w", n, b.messages, os.ErrDeadlineExceeded)
	case n == 0:
		return errors.New("no message was acknowledged")
	case b.strict && b.dropped.Load()+b.refused.Load()+b.undialed.Load() > 0:
		return errors.New("not every session and command was served")
	}
	return nil
}
