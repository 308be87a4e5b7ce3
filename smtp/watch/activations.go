package watch

import (
	"context"
	"log/slog"
	"time"

	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/event"
	"postern/domain/policy"
	"postern/smtp/reply"
)

// activationInterval is how long at most until staged activations are looked at
// again: a wake may be missed, and clocks are set.
const activationInterval = time.Minute

// Schedule performs what is due; postern/domain/certificate implements it.
type Schedule interface {
	Due(ctx context.Context, failed func(certificate.Certificate, error)) (next time.Time, err error)
}

// Activations activates certificates whose staged time has come, and raises an
// alert for those that are refused (B41). The alert is over when a certificate is
// activated after all: this one or another, by whom ever.
type Activations struct {
	schedule Schedule
	alerts   Alerts
	bus      *event.Bus
	logger   *slog.Logger
	now      func() time.Time
}

// NewActivations returns what activates while it runs.
func NewActivations(schedule Schedule, alerts Alerts, bus *event.Bus, logger *slog.Logger, now func() time.Time) *Activations {
	return &Activations{schedule: schedule, alerts: alerts, bus: bus, logger: logger, now: now}
}

// Run activates until the context ends.
func (a *Activations) Run(ctx context.Context) {
	wake := a.bus.Subscribe(event.CertificatesChanged)
	defer wake.Close()
	activated := a.bus.Subscribe(event.CertificateActivated)
	defer activated.Close()
	for {
		pause := activationInterval
		next, err := a.schedule.Due(ctx, func(c certificate.Certificate, err error) {
			drain(activated) // what was activated before ends no alert that begins now
			a.failed(ctx, c, err)
		})
		switch {
		case err != nil && ctx.Err() == nil:
			a.logger.ErrorContext(ctx, "staged activations not performed", "error", err.Error())
		case !next.IsZero():
			pause = max(0, min(pause, next.Sub(a.now())))
		}
		select {
		case <-ctx.Done():
			return
		case <-wake.C():
		case <-activated.C():
			a.succeeded(ctx)
		case <-time.After(pause):
		}
	}
}

func (a *Activations) failed(ctx context.Context, c certificate.Certificate, cause error) {
	a.logger.ErrorContext(ctx, "staged activation refused", "certificate", c.ID, "error", cause.Error())
	err := a.alerts.Raise(ctx, alert.Event{
		Kind: alert.ActivationFailed, About: c.ID, Severity: policy.SeverityCritical, Detail: reply.Quote(cause.Error(), maxErrorOctets),
	})
	if err != nil {
		a.logger.ErrorContext(ctx, "alert not raised", "error", err.Error())
	}
}

// succeeded ends the alerts of earlier activations.
func (a *Activations) succeeded(ctx context.Context) {
	for _, key := range a.alerts.OpenKeys(alert.ActivationFailed) {
		if err := a.alerts.Resolve(ctx, key, "a certificate was activated since"); err != nil {
			a.logger.ErrorContext(ctx, "alert not resolved", "error", err.Error())
		}
	}
}

// drain takes a wake that is pending.
func drain(s *event.Subscription) {
	select {
	case <-s.C():
	default:
	}
}
