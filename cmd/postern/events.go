package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/delivery"
	"postern/domain/eventlog"
	"postern/smtp/queue"
	"postern/smtp/watch"
)

// makeEvents makes the log of events, before all that writes to it.
func (a *App) makeEvents(ctx context.Context) error {
	logger := a.logger.With("log", "event")
	var err error
	a.events, err = eventlog.NewLog(ctx, eventlog.Dependencies{
		Store: a.database.Events(), Bus: a.bus, Now: time.Now, Retention: a.history,
		Failed: func(err error) { logger.Error("events not written", "error", err.Error()) },
	})
	return err
}

// history returns how long the past is kept.
func (a *App) history() time.Duration {
	return time.Duration(a.config.Snapshot().Settings.Queue.HistorySeconds) * time.Second
}

// startEvents begins to write what is appended, and what changes by itself.
func (a *App) startEvents() {
	states := watch.NewStates(a.events, a.bus, a.config.Status, func() error { return a.queue.Accepting() }, time.Now)
	a.background.run(a.events.Run)
	a.background.run(states.Run)
	counts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_events_total", Help: "Events of the log, by type."}, []string{"type"})
	a.registry.MustRegister(counts)
	a.background.run(func(ctx context.Context) { a.countEvents(ctx, counts) })
	a.background.run(a.webhooks.Run)
	a.registry.MustRegister(counter("postern_events_dropped_total", "Events dropped because too many waited to be written.",
		func() float64 { return float64(a.events.Dropped()) }))
}

// countEvents counts the events that become durable, until the context ends.
func (a *App) countEvents(ctx context.Context, counts *prometheus.CounterVec) {
	q := eventlog.Query{After: a.events.Newest(), Limit: 500}
	for a.events.Wait(ctx, q.After) == nil {
		page, err := a.events.Read(ctx, q)
		if err != nil { // logged by the log itself; what is skipped is not counted
			q.After = a.events.Newest()
			continue
		}
		for _, e := range page.Events {
			counts.WithLabelValues(string(e.Type)).Inc()
			q.After = e.Number
		}
	}
}

// flushEvents writes what was appended last, even where the stop has used up its
// time.
func (a *App) flushEvents(ctx context.Context) error {
	return a.events.Flush(context.WithoutCancel(ctx))
}

// loggedActor does what an administrator wants done to messages, and writes an
// event of each action that changed something.
type loggedActor struct {
	*queue.Queue
	log *eventlog.Log
}

var actionEvents = map[delivery.Action]eventlog.Type{
	delivery.ActionHold: eventlog.MessageHeld, delivery.ActionRelease: eventlog.MessageReleased,
	delivery.ActionRetry: eventlog.MessageRetried, delivery.ActionDelete: eventlog.MessageDeleted,
}

// Act is [queue.Queue.Act].
func (l loggedActor) Act(ctx context.Context, by string, action delivery.Action, ids ...delivery.MessageID) (int, error) {
	changed, err := l.Queue.Act(ctx, by, action, ids...)
	about := eventlog.Subject{Kind: "message"}
	if len(ids) == 1 {
		about.Key = ids[0].String()
	}
	l.append(action, about, changed)
	return changed, err
}

// ActOnAll is [queue.Queue.ActOnAll].
func (l loggedActor) ActOnAll(ctx context.Context, by string, action delivery.Action, f delivery.MessageFilter) (int, error) {
	changed, err := l.Queue.ActOnAll(ctx, by, action, f)
	l.append(action, eventlog.Subject{Kind: "message"}, changed)
	return changed, err
}

func (l loggedActor) append(action delivery.Action, about eventlog.Subject, changed int) {
	if changed > 0 {
		l.log.Append(eventlog.New(actionEvents[action], about, time.Now(), map[string]any{"messages": changed}))
	}
}
