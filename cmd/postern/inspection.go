package main

import (
	"context"
	"net"
	"time"

	"postern/smtp/scan"
)

// makeInspection makes the client of MetaDefender Core (B34). It asks nobody
// until the settings say so.
func (a *App) makeInspection(context.Context) error {
	a.inspector = scan.New(scan.Dependencies{
		Dialer:            new(net.Dialer),
		Secrets:           a.secrets,
		Trust:             a.trust.current.Load,
		ClientCertificate: a.clientCertificate,
		Metrics:           scan.NewMetrics(a.registry),
		Logger:            a.logger.With("log", "mail"),
		Now:               time.Now,
		Timing:            scan.DefaultTiming(),
	})
	a.onStop(func(context.Context) error {
		a.inspector.Forget()
		return nil
	})
	return nil
}
