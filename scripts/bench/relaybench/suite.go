package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"slices"
	"time"
)

// options say what is measured, and how long.
type options struct {
	binary, base string // Postern, and a second build to compare it with
	postfix      bool
	dir, out     string // for the run; for the record, empty: none is kept
	scenarios    []string
	extras       []string // growth, control, crash
	repetitions  int
	duration     time.Duration // of one flow
	queued       int           // messages of F
	idle         int           // connections of E
	controls     []int         // table sizes, ascending
	waiting      []int         // queue lengths, ascending
	edits        int           // timed one by one
	commits      int           // in a row
	kills        int
	quick        bool
}

// suite runs scenarios against relays that stand side by side.
type suite struct {
	options
	meter  *meter
	keys   keyFiles
	relays []relay
	record record
	failed error
}

func newSuite(ctx context.Context, o options) (*suite, error) {
	keys, err := makeKeys(o.dir)
	if err != nil {
		return nil, err
	}
	config, err := keys.serverTLS()
	if err != nil {
		return nil, err
	}
	hop, err := newSink(config)
	if err != nil {
		return nil, err
	}
	return &suite{options: o, meter: &meter{sink: hop}, keys: keys, record: newRecord(ctx, o)}, nil
}

// run does everything that was asked for, and returns what went wrong.
func (s *suite) run(ctx context.Context) error {
	defer s.meter.sink.down()
	if err := s.compare(ctx); err != nil {
		return err
	}
	for _, extra := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"growth", s.growControls},
		{"growth", s.growQueue},
		{"growth", s.growDrain},
		{"control", s.controlPlane},
		{"crash", s.crash},
	} {
		if !slices.Contains(s.extras, extra.name) {
			continue
		}
		if err := extra.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", extra.name, err)
		}
	}
	return s.failed
}

// fail notes what makes the whole run a failure without ending it.
func (s *suite) fail(err error) {
	if err != nil {
		log.Print("FAILED: ", err)
		s.failed = errors.Join(s.failed, err)
	}
}

// postern starts a gateway with a fresh data directory below the name.
func (s *suite) postern(ctx context.Context, label, binary string) (*postern, error) {
	p, err := newPostern(label, binary, filepath.Join(s.dir, label), s.meter.sink.address)
	if err != nil {
		return nil, err
	}
	return p, p.start(ctx)
}

// compare runs the scenarios against all relays in turns.
func (s *suite) compare(ctx context.Context) error {
	if len(s.scenarios) == 0 {
		return nil
	}
	defer s.stopRelays()
	if err := s.startRelays(ctx); err != nil {
		return err
	}
	for repetition := range s.repetitions {
		for _, id := range s.scenarios {
			sc, err := scenarioOf(id)
			if err != nil {
				return err
			}
			for _, r := range inTurns(s.relays, repetition) {
				if err := s.one(ctx, r, sc); err != nil {
					return fmt.Errorf("%s, scenario %s: %w", r.name(), id, err)
				}
			}
		}
	}
	return nil
}

// inTurns lets everybody begin as often as the others.
func inTurns[T any](list []T, turn int) []T {
	if turn%2 == 0 {
		return list
	}
	reversed := slices.Clone(list)
	slices.Reverse(reversed)
	return reversed
}

func (s *suite) startRelays(ctx context.Context) error {
	gateway, err := s.postern(ctx, nameOfPostern, s.binary)
	if err != nil {
		return err
	}
	s.relays = append(s.relays, gateway)
	if s.base != "" {
		gateway, err := s.postern(ctx, nameOfBase, s.base)
		if err != nil {
			return err
		}
		s.relays = append(s.relays, gateway)
	}
	if !s.postfix {
		return nil
	}
	for _, label := range []string{nameOfTuned, nameOfDefault} {
		p, err := newPostfix(label, filepath.Join(s.dir, label), s.meter.sink.address, label == nameOfTuned, s.keys)
		if err != nil {
			return err
		}
		if err := p.start(ctx); err != nil {
			return err
		}
		s.relays = append(s.relays, p)
	}
	return nil
}

func (s *suite) stopRelays() {
	for _, r := range s.relays {
		s.fail(r.stop())
	}
	s.relays = nil
}

// one runs one scenario once.
func (s *suite) one(ctx context.Context, r relay, sc scenario) error {
	if sc.shape == idle && r.name() == nameOfDefault {
		return nil // a hundred processes are the most it has
	}
	l := sc.mail(r.address())
	var result measurement
	var err error
	switch sc.shape {
	case idle:
		// What mail before has left in memory would hide what connections take.
		if err := errors.Join(r.stop(), r.start(ctx)); err != nil {
			return err
		}
		result, err = s.meter.idle(ctx, r, s.idle)
	case drain:
		l.messages = s.queued
		result, err = s.meter.drain(ctx, r, l)
	default:
		l.duration = s.duration
		result = s.meter.flow(ctx, r, l)
	}
	if err != nil {
		return err
	}
	result.Scenario = sc.id
	s.fail(result.faults())
	s.record.Runs = append(s.record.Runs, result)
	log.Printf("%s  %-15s %6.0f msg/CPU s  %6.0f msg/s  reply %.1f/%.1f ms  lag %.1f/%.1f ms  %4.0f MiB  %.1f KiB each  drained in %.2f s", sc.id, r.name(),
		result.PerCPU, result.Rate, result.Reply.P50, result.Reply.P99, result.Lag.P50, result.Lag.P99, result.PeakMiB, result.KiBEach, result.DrainS)
	return nil
}
