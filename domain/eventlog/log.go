package eventlog

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postern/domain"
	"postern/domain/event"
)

// Bounds of the log.
const (
	maxPending = 10_000 // events that wait to become durable
	maxBatch   = 500    // of one transaction
	// MaxKept is how many events are kept, however young.
	MaxKept = 200_000
)

// How long events are collected for one transaction, how often the store is looked
// at for what others wrote, and how often old events are forgotten.
const (
	collect       = 50 * time.Millisecond
	lookInterval  = time.Second
	pruneInterval = time.Minute
)

// Dependencies is what a [Log] is built on. All fields are required.
type Dependencies struct {
	Store Store
	Bus   *event.Bus
	Now   func() time.Time
	// Retention returns how long events are kept.
	Retention func() time.Duration
	// Failed is told of what could not be stored, looked up or forgotten; it is
	// tried again.
	Failed func(error)
}

// Log is the log of events. It is safe for concurrent use.
type Log struct {
	Dependencies
	newest  event.Mark
	wake    chan struct{}
	dropped atomic.Int64

	mu      sync.Mutex
	pending []Event
	lost    int64 // since the last event that says so

	writing sync.Mutex // held while events are written
}

// NewLog returns the log of a store. What is appended stays in memory until it
// runs.
func NewLog(ctx context.Context, d Dependencies) (*Log, error) {
	l := &Log{Dependencies: d, wake: make(chan struct{}, 1)}
	return l, domain.Wrap(l.look(ctx), "find the newest event")
}

// Append takes an event in, to become durable within moments. It never waits. Of
// too many the newest are dropped, and an event says how many.
func (l *Log) Append(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) >= maxPending {
		l.lost++
		l.dropped.Add(1)
		return
	}
	l.pending = append(l.pending, e)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Dropped returns how many events were dropped because too many waited.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Read returns events. A number that is no longer kept, or not yet given, as one
// from before the log was restored, is a [*GoneError].
func (l *Log) Read(ctx context.Context, q Query) (Page, error) {
	page, err := l.Store.Read(ctx, q)
	if err != nil {
		return page, domain.Wrap(err, "read events")
	}
	if q.After+1 < page.Oldest || q.After > page.Newest {
		return page, &GoneError{After: q.After, Oldest: page.Oldest, Newest: page.Newest}
	}
	return page, nil
}

// Wait returns nil when there is an event with a higher number, or the context's
// error.
func (l *Log) Wait(ctx context.Context, after int64) error { return l.newest.Wait(ctx, after+1) }

// Newest returns the highest number that was given, as far as is known here.
func (l *Log) Newest() int64 { return l.newest.Value() }

// Run makes events durable, tells those who wait, and forgets what is old, until
// the context ends.
func (l *Log) Run(ctx context.Context) {
	others := l.Bus.Subscribe(event.ConfigurationChanged, event.CertificateActivated, event.CertificatesChanged)
	defer others.Close()
	look, prune := time.NewTicker(lookInterval), time.NewTicker(pruneInterval)
	defer look.Stop()
	defer prune.Stop()
	for ctx.Err() == nil {
		var err error
		select {
		case <-ctx.Done():
		case <-l.wake:
			if sleep(ctx, collect) {
				err = l.Flush(ctx)
			}
		case <-others.C():
			err = l.look(ctx)
		case <-look.C:
			if err = l.Flush(ctx); err == nil {
				err = l.look(ctx)
			}
		case <-prune.C:
			err = l.prune(ctx)
		}
		if err != nil && ctx.Err() == nil {
			l.Failed(err)
		}
	}
}

// Flush makes durable what was appended; what is not stays for the next time. It
// is to be called once more when nobody appends any longer.
func (l *Log) Flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	for {
		events, lost := l.take()
		batch := events
		if lost > 0 {
			batch = append(batch, New(EventsLost, Subject{}, l.Now(), map[string]any{"lost": lost}))
		}
		if len(batch) == 0 {
			return nil
		}
		if err := l.Store.Append(ctx, batch); err != nil {
			return domain.Wrap(err, "store %d events", len(batch))
		}
		l.drop(len(events), lost)
		if err := l.look(ctx); err != nil {
			return err
		}
	}
}

// take returns the oldest pending events and, behind the last of them, how many
// were lost after it.
func (l *Log) take() (events []Event, lost int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	events = slices.Clone(l.pending[:min(len(l.pending), maxBatch)])
	if len(events) == len(l.pending) {
		lost = l.lost
	}
	return events, lost
}

// drop forgets pending events that are durable now.
func (l *Log) drop(stored int, lost int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = slices.Delete(l.pending, 0, stored)
	l.lost -= lost
}

// look finds out what was written, here or elsewhere.
func (l *Log) look(ctx context.Context) error {
	newest, err := l.Store.Newest(ctx)
	l.newest.Raise(newest)
	return err
}

func (l *Log) prune(ctx context.Context) error {
	for {
		more, err := l.Store.Prune(ctx, l.Now().Add(-l.Retention()), MaxKept)
		if err != nil || !more {
			return domain.Wrap(err, "forget old events")
		}
	}
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
