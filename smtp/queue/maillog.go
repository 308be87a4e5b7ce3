package queue

import (
	"context"
	"log/slog"

	"postern/domain/delivery"
)

// record counts a settlement that holds, writes it to the mail log (a line for
// each recipient, always with the same fields) and tells the observers.
func (s *scheduler) record(p *plan) {
	s.counters.waiting.Add(-int64(p.waiting))
	for _, progress := range p.settlement.Progress {
		switch progress.State {
		case delivery.RecipientDelivered:
			s.counters.delivered.Add(1)
		case delivery.RecipientBounced:
			s.counters.bounced.Add(1)
		default:
			s.counters.deferred.Add(1)
		}
		s.logDelivery(p, progress)
	}
	for _, o := range s.observers {
		o.Settled(p.message, &p.settlement)
	}
}

func (s *scheduler) logDelivery(p *plan, progress delivery.Progress) {
	m, a, o := p.message, &p.settlement.Attempt, &progress.Last
	s.logger.LogAttrs(context.Background(), slog.LevelInfo, "delivery",
		slog.String("event", "delivery"),
		slog.String("queue_id", m.ID.String()),
		slog.String("from", m.Sender.String()),
		slog.String("to", m.Recipients[progress.Recipient].Address.String()),
		slog.String("host", a.Host),
		slog.String("tls_version", a.TLS.Version),
		slog.String("cipher", a.TLS.Cipher),
		slog.Bool("verified", a.TLS.Verified),
		slog.String("level", a.Decision.Level.String()),
		slog.String("outcome", o.Status.String()),
		slog.Int("code", o.Code),
		slog.String("enhanced", o.Enhanced),
		slog.String("text", o.Text),
		slog.Int64("revision", a.Revision),
		slog.Int64("duration_ms", a.Duration.Milliseconds()),
	)
}
