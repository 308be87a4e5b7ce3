package main

import (
	"context"
	"time"

	"postern/domain/session"
)

// sessionsInterval is how often the history of sessions becomes durable.
const sessionsInterval = 2 * time.Second

// makeSessions makes what remembers incoming sessions.
func (a *App) makeSessions() {
	a.sessions = session.NewRecorder(a.database.Queue())
	a.registry.MustRegister(counter("postern_inbound_session_records_dropped_total",
		"Sessions missing in the history, because more ended than could be written.",
		func() float64 { return float64(a.sessions.Dropped()) }))
}

// startSessions keeps writing what was remembered; the last of it goes to the
// disk when no session is left.
func (a *App) startSessions() {
	a.onStop(func(ctx context.Context) error { return a.sessions.Flush(context.WithoutCancel(ctx)) })
	a.background.run(a.keepSessions)
}

func (a *App) keepSessions(ctx context.Context) {
	ticker := time.NewTicker(sessionsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-a.sessions.Full():
		}
		if err := a.sessions.Flush(ctx); err != nil && ctx.Err() == nil {
			a.logger.Error("history of sessions not written", "error", err.Error())
		}
	}
}
