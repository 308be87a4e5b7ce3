package main

import (
	"math/rand/v2"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postern/smtp/webhook"
)

// newCaller returns the one way in which webhooks are called.
func (a *App) newCaller() *webhook.Caller {
	return webhook.NewCaller(func() bool { return a.config.Snapshot().Settings.Alerts.AllowPrivateWebhooks }, net.DefaultResolver)
}

// newWebhooks returns what takes events to webhooks.
func (a *App) newWebhooks() *webhook.Dispatcher {
	tries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "postern_webhook_deliveries_total", Help: "Tries to post an event to a webhook, by what came of them.",
	}, []string{"result"})
	a.registry.MustRegister(tries)
	return webhook.NewDispatcher(webhook.Dependencies{
		Log: a.events, Store: a.database.Webhooks(), Snapshot: a.config.Snapshot, Secrets: a.secrets, Poster: a.newCaller(),
		Alerts: a.alerts.service, Bus: a.bus, Logger: a.logger.With("log", "webhook"), Now: time.Now, Spread: spread,
		Count: func(result string) { tries.WithLabelValues(result).Inc() },
	})
}

// spread changes a pause by up to a fifth.
func spread(pause time.Duration) time.Duration {
	return pause*4/5 + rand.N(pause*2/5)
}
