package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"time"
)

// crashes is what a run with kill -9 left behind.
type crashes struct {
	Kills int `json:"kills"`
	audit
}

// crash kills the gateway at random moments of scenario B, and starts it again.
// Nothing that it acknowledged may be lost. What had arrived when its settlement was
// not yet on disk arrives again, and is counted.
func (s *suite) crash(ctx context.Context) error {
	p, err := s.postern(ctx, "crash", s.binary)
	if err != nil {
		return err
	}
	defer func() { s.fail(p.stop()) }()
	sc, err := scenarioOf("B")
	if err != nil {
		return err
	}
	l := sc.mail(p.address())
	l.messages, l.stubborn = mostMessages, true
	book, text := s.meter.begin(l, l.messages)
	enough := make(chan struct{})
	l.enough = enough
	sent := make(chan error, 1)
	go func() { sent <- l.send(ctx, book, text) }()

	for range s.kills {
		time.Sleep(300*time.Millisecond + rand.N(1200*time.Millisecond))
		if err := errors.Join(p.kill(), p.start(ctx)); err != nil {
			return err
		}
	}
	time.Sleep(time.Second)
	close(enough)
	if err := <-sent; err != nil {
		return err
	}
	awaitArrivals(ctx, book, func() error { return p.flush(ctx) })
	result := crashes{Kills: s.kills, audit: book.audit()}
	s.record.Crash = &result
	log.Printf("crash: %d kills, %d acknowledged, %d lost, %d doubled", s.kills, result.Acknowledged, result.Lost, result.Doubled)
	if result.Lost+result.Altered > 0 {
		s.fail(fmt.Errorf("after %d kills %d acknowledged messages are lost and %d altered", s.kills, result.Lost, result.Altered))
	}
	return nil
}
