package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/reportonly"
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

// makeReportOnly makes what counts the refusals of rules that only report.
func (a *App) makeReportOnly() {
	a.reportOnly = reportonly.NewCounter(a.database.Queue(), time.Now)
	for _, kind := range reportonly.Kinds() {
		a.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "postern_report_only_refusals_total", Help: "Messages that rules which only report would have refused.",
			ConstLabels: prometheus.Labels{"kind": string(kind)},
		}, func() float64 { return float64(a.reportOnly.Refused(kind)) }))
	}
}

// startSessions keeps writing what was remembered and counted; the last of it
// goes to the disk when no session is left.
func (a *App) startSessions() {
	a.onStop(func(ctx context.Context) error { return a.flushSessions(context.WithoutCancel(ctx)) })
	a.background.run(a.keepSessions)
}

func (a *App) flushSessions(ctx context.Context) error {
	return errors.Join(a.sessions.Flush(ctx), a.reportOnly.Flush(ctx))
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
		if err := a.flushSessions(ctx); err != nil && ctx.Err() == nil {
			a.logger.Error("history of sessions not written", "error", err.Error())
		}
	}
}
