package watch

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/policy"
	"postern/smtp/reply"
)

// How often conditions are looked at, at least, and how often old alerts are
// forgotten.
const (
	lookInterval = 10 * time.Second
	tidyInterval = 10 * time.Minute
)

// maxErrorOctets bounds the text of an error in an alert.
const maxErrorOctets = 500

// Condition is something that is true or not, whenever one looks.
type Condition struct {
	Kind alert.Kind
	// Look returns an event for each thing that is true now. An error says that
	// this cannot be told now: alerts stay as they are.
	Look func(ctx context.Context) ([]alert.Event, error)
}

// Conditions raises alerts while conditions hold, and resolves them afterwards.
type Conditions struct {
	alerts     Alerts
	conditions []Condition
	bus        *event.Bus
	logger     *slog.Logger
}

// NewConditions returns what looks at the conditions while it runs: when the bus
// has news of the topics that concern them, and at intervals.
func NewConditions(alerts Alerts, bus *event.Bus, logger *slog.Logger, conditions ...Condition) *Conditions {
	return &Conditions{alerts: alerts, conditions: conditions, bus: bus, logger: logger}
}

// Run looks until the context ends.
func (c *Conditions) Run(ctx context.Context) {
	wake := c.bus.Subscribe(event.ConfigurationApplied, event.ConfigurationStuck, event.CertificateActivated, event.CertificatesChanged, event.ResolverExamined)
	defer wake.Close()
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		for _, condition := range c.conditions {
			if err := c.look(ctx, condition); err != nil && ctx.Err() == nil {
				c.logger.Error("condition not judged", slog.String("kind", string(condition.Kind)), slog.Any("error", err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-wake.C():
		case <-ticker.C:
		}
	}
}

func (c *Conditions) look(ctx context.Context, condition Condition) error {
	events, err := condition.Look(ctx)
	if err != nil {
		return err
	}
	var holds []string
	for _, e := range events {
		holds = append(holds, e.Key())
		if raising := c.alerts.Raise(ctx, e); raising != nil {
			err = raising
		}
	}
	for _, key := range c.alerts.OpenKeys(condition.Kind) {
		if slices.Contains(holds, key) {
			continue
		}
		if resolving := c.alerts.Resolve(ctx, key, "it is not so any more"); resolving != nil {
			err = resolving
		}
	}
	return err
}

// NotApplied holds while the newest revision is not in force, for each part that
// is to blame (B70).
func NotApplied(status func() config.Status) Condition {
	return Condition{Kind: alert.RevisionNotApplied, Look: func(context.Context) ([]alert.Event, error) {
		var events []alert.Event
		for _, p := range status().Problems {
			events = append(events, alert.Event{
				Kind: alert.RevisionNotApplied, About: p.Part, Severity: policy.SeverityCritical,
				Detail: reply.Quote(p.Detail, maxErrorOctets),
			})
		}
		return events, nil
	}}
}

// Spool holds while messages cannot be stored (B77).
func Spool(accepting func() error) Condition {
	return Condition{Kind: alert.SpoolUnhealthy, Look: func(context.Context) ([]alert.Event, error) {
		err := accepting()
		if err == nil {
			return nil, nil
		}
		return []alert.Event{{
			Kind: alert.SpoolUnhealthy, Severity: policy.SeverityCritical, Detail: reply.Quote(err.Error(), maxErrorOctets),
		}}, nil
	}}
}

// DigitalID holds while something is wrong with the digital ID files (B47).
func DigitalID(problem func() string) Condition {
	return Condition{Kind: alert.DigitalIDRefused, Look: func(context.Context) ([]alert.Event, error) {
		detail := problem()
		if detail == "" {
			return nil, nil
		}
		return []alert.Event{{Kind: alert.DigitalIDRefused, Severity: policy.SeverityCritical, Detail: detail}}, nil
	}}
}

// Resolver holds while a DNS resolver that is believed does not validate (B63).
func Resolver(problem func() string) Condition {
	return Condition{Kind: alert.ResolverNotValidating, Look: func(context.Context) ([]alert.Event, error) {
		detail := problem()
		if detail == "" {
			return nil, nil
		}
		return []alert.Event{{
			Kind: alert.ResolverNotValidating, Severity: policy.SeverityWarning, Detail: reply.Quote(detail, maxErrorOctets),
		}}, nil
	}}
}

// InUse returns the certificates that handshakes may use now: the active one and
// those that are bound.
type InUse func(ctx context.Context) ([]certificate.Certificate, error)

// Expiry holds for each certificate in use that runs out (B53).
func Expiry(inUse InUse, now func() time.Time) Condition {
	return Condition{Kind: alert.CertificateExpiry, Look: func(ctx context.Context) ([]alert.Event, error) {
		certificates, err := inUse(ctx)
		if err != nil {
			return nil, err
		}
		var events []alert.Event
		for _, c := range certificates {
			if e, ok := alert.Expiry(c, now()); ok {
				events = append(events, e)
			}
		}
		return events, nil
	}}
}

// Tidy forgets what is old now and then, until the context ends.
func Tidy(ctx context.Context, tidy func(context.Context) error, logger *slog.Logger) {
	for {
		if err := tidy(ctx); err != nil && ctx.Err() == nil {
			logger.Error("what is over not forgotten", slog.Any("error", err))
		}
		if !sleep(ctx, tidyInterval) {
			return
		}
	}
}
