package webhook

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"time"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/eventlog"
	"postern/domain/policy"
	"postern/domain/webhook"
)

// Bounds of a worker.
const (
	readAtOnce   = 50
	storePause   = 5 * time.Second // after the store or the log failed
	saveInterval = time.Minute     // of a position that only events moved which it does not get
)

// worker posts events to one webhook, in their order.
type worker struct {
	*Dispatcher
	hook   policy.Webhook
	types  []eventlog.Type
	cancel context.CancelFunc
	ended  chan struct{}

	state   webhook.State
	savedAt time.Time
}

// start begins a worker; its caller holds the lock of the workers.
func (d *Dispatcher) start(ctx context.Context, hook policy.Webhook) *worker {
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{Dispatcher: d, hook: hook, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.run(ctx)
	}()
	return w
}

func (w *worker) stop() {
	w.cancel()
	<-w.ended
}

// serves reports whether the worker works as the configuration has it.
func (w *worker) serves(hook policy.Webhook) bool { return reflect.DeepEqual(w.hook, hook) }

// run works until the context ends. What goes wrong with us, not with the
// receiver, is tried again after a pause.
func (w *worker) run(ctx context.Context) {
	var err error
	if w.types, err = eventlog.ParseTypes(w.hook.Types); err != nil {
		w.Logger.Error("webhook has no types that are known", slog.String("webhook", w.hook.Name), slog.Any("error", err))
		return
	}
	for begun := false; ctx.Err() == nil; {
		if !begun {
			err = w.begin(ctx)
			begun = err == nil
		} else {
			err = w.step(ctx)
		}
		if err != nil && ctx.Err() == nil {
			w.Logger.Error("webhook cannot go on", slog.String("webhook", w.hook.Name), slog.Any("error", err))
			sleep(ctx, storePause)
		}
	}
}

// begin loads the state, which is stored with the revision that switches a webhook
// on. One that has none, because an older release made it, gets what happens from now
// on.
func (w *worker) begin(ctx context.Context) error {
	state, err := w.Store.State(ctx, w.hook.Name)
	if domain.KindOf(err) != domain.NotFound {
		w.state = state
		return err
	}
	page, err := w.Log.Read(ctx, eventlog.Query{After: w.Log.Newest(), Limit: 1})
	if gone, ok := errors.AsType[*eventlog.GoneError](err); ok {
		page.Newest, err = gone.Newest, nil
	}
	if err != nil {
		return err
	}
	w.state = webhook.State{Webhook: w.hook.Name, Position: page.Newest}
	return w.save(ctx, nil)
}

func (w *worker) save(ctx context.Context, d *webhook.Delivery) error {
	w.savedAt = w.Now()
	return domain.Wrap(w.Store.Save(ctx, &w.state, d), "store the state of webhook %q", w.hook.Name)
}

// step waits until there is something to do, and does it.
func (w *worker) step(ctx context.Context) error {
	if next := w.state.NextTry; next != nil && !sleep(ctx, next.Sub(w.Now())) {
		return nil
	}
	page, err := w.Log.Read(ctx, eventlog.Query{After: w.state.Position, Types: w.types, Limit: readAtOnce})
	if gone, ok := errors.AsType[*eventlog.GoneError](err); ok {
		return w.skip(ctx, gone)
	}
	if err != nil {
		return err
	}
	for _, e := range page.Events {
		if taken, err := w.deliver(ctx, e); err != nil || !taken {
			return err
		}
	}
	if len(page.Events) == readAtOnce {
		return nil
	}
	return w.idle(ctx, page.Newest)
}

// idle waits for the next event, behind those that the webhook does not get.
func (w *worker) idle(ctx context.Context, newest int64) error {
	w.state.Position = max(w.state.Position, newest)
	if w.Now().Sub(w.savedAt) >= saveInterval {
		if err := w.save(ctx, nil); err != nil {
			return err
		}
	}
	_ = w.Log.Wait(ctx, w.state.Position) // else the context ended
	return nil
}

// skip goes on behind events that are no longer kept, and says so: they were lost
// to the receiver.
func (w *worker) skip(ctx context.Context, gone *eventlog.GoneError) error {
	w.Logger.Error("webhook missed events", slog.String("webhook", w.hook.Name), slog.Any("error", gone))
	w.alarm(ctx, "Events were forgotten before it took them: "+gone.Error())
	w.state.Position = gone.GoOn()
	return w.save(ctx, nil)
}

// deliver makes one try for the event that is next, and reports whether it is
// settled.
func (w *worker) deliver(ctx context.Context, e eventlog.Event) (settled bool, err error) {
	d, err := w.deliveryOf(ctx, w.hook, e)
	if err != nil {
		return false, err
	}
	attempt, failure := w.try(ctx, w.hook, e)
	if ctx.Err() != nil {
		return false, nil // the end of the process is no fault of the receiver
	}
	now := w.Now().UTC()
	switch {
	case failure == nil:
		d, w.state = d.With(webhook.Delivered, attempt), w.state.Succeeded(e.Number)
		w.resolve(ctx, w.hook.Name, "events are taken again")
	case refused(attempt) && refusals(d)+1 >= webhook.Refusals:
		d, w.state = d.With(webhook.Failed, attempt), w.state.Succeeded(e.Number)
		w.alarm(ctx, "An event was refused and given up: "+failure.Error())
	default:
		d, w.state = d.With(webhook.Pending, attempt), w.state.FailedAt(now, w.Spread)
		if w.state.Alarming(now) {
			w.alarm(ctx, "Tries fail since "+w.state.FailingSince.Format(time.RFC3339)+": "+failure.Error())
		}
	}
	return w.state.Position == e.Number, w.save(ctx, &d)
}

// refused reports whether a receiver answered that it does not want an event.
func refused(a webhook.Attempt) bool {
	_, isFinal := errors.AsType[Final](judge(a.Status))
	return a.Status != 0 && isFinal
}

// refusals counts the attempts that were refused.
func refusals(d webhook.Delivery) (n int) {
	for _, a := range d.Attempts {
		if refused(a) {
			n++
		}
	}
	return n
}

func (w *worker) alarm(ctx context.Context, detail string) {
	err := w.Alerts.Raise(ctx, alert.Event{
		Kind: alert.WebhookFailing, About: w.hook.Name, Severity: policy.SeverityWarning, Detail: detail,
	})
	if err != nil && ctx.Err() == nil {
		w.Logger.Error("alert not kept", slog.String("webhook", w.hook.Name), slog.Any("error", err))
	}
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
