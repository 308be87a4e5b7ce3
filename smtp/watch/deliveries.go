package watch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postern/domain/alert"
	"postern/domain/delivery"
	"postern/smtp/queue"
)

// maxPending bounds the destinations of which something is to be said.
const maxPending = 1000

// settle is how long findings are collected after some were handled: a
// destination that fails a hundred times a second is one write in that time.
const settle = time.Second

// Deliveries raises an alert where TLS to a destination failed that requires it,
// and resolves it when mail goes through (B28, B62). It does the same for the
// findings of others.
type Deliveries struct {
	alerts Alerts
	logger *slog.Logger

	wake    chan struct{}
	dropped atomic.Int64

	mu      sync.Mutex
	pending map[string]pending // by key
	working map[string]pending // what is being handled
}

var _ queue.Observer = (*Deliveries)(nil)

// pending is what is to be said of one key: the failures, and then, where it is
// over, that it is.
type pending struct {
	event *alert.Event // the newest, with the count of all; nil: none
	over  string       // the reason; empty: it is not over
}

// NewDeliveries returns an observer of settlements that raises nothing until it
// runs.
func NewDeliveries(alerts Alerts, logger *slog.Logger) *Deliveries {
	return &Deliveries{alerts: alerts, logger: logger, wake: make(chan struct{}, 1), pending: map[string]pending{}}
}

// Dropped returns how many failures were not looked at, because there were too
// many.
func (d *Deliveries) Dropped() int64 { return d.dropped.Load() }

// Settled takes note of what a settlement says of TLS. It waits for nobody.
func (d *Deliveries) Settled(m *delivery.Message, s *delivery.Settlement) {
	for _, f := range alert.FindTLS(s, m.Recipients) {
		d.Find(f)
	}
}

// Find takes note of a finding. It waits for nobody.
func (d *Deliveries) Find(f alert.Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, known := d.pending[f.Key]
	_, working := d.working[f.Key]
	switch {
	case f.Event == nil && !known && !working && !d.alerts.IsOpen(f.Key):
		return // nothing is to be resolved, as with nearly all mail
	case !known && len(d.pending) >= maxPending:
		d.dropped.Add(1)
		return
	case f.Event == nil:
		p.over = f.Reason
	default:
		p = p.with(*f.Event)
	}
	d.pending[f.Key] = p
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// with returns p with one failure more.
func (p pending) with(e alert.Event) pending {
	e.Count = 1
	if p.event != nil {
		e.Count += p.event.Count
	}
	return pending{event: &e}
}

// Run raises and resolves until the context ends.
func (d *Deliveries) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		for key, p := range d.take() {
			d.say(ctx, key, p)
		}
		d.done()
		if !sleep(ctx, settle) {
			return
		}
	}
}

// take begins the work on what is pending.
func (d *Deliveries) take() map[string]pending {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.working, d.pending = d.pending, map[string]pending{}
	return d.working
}

func (d *Deliveries) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.working = nil
}

func (d *Deliveries) say(ctx context.Context, key string, p pending) {
	var err error
	if p.event != nil {
		err = d.alerts.Raise(ctx, *p.event)
	}
	if err == nil && p.over != "" {
		err = d.alerts.Resolve(ctx, key, p.over)
	}
	if err != nil && ctx.Err() == nil {
		d.logger.Error("alert not kept", slog.String("key", key), slog.Any("error", err))
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
