package queue

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/delivery"
)

// Metrics counts what attempts came to. No address and no domain is ever a
// label: levels, versions, reasons and stages are words of ours, of which there
// are few.
type Metrics struct {
	attempts   *prometheus.CounterVec
	recipients *prometheus.CounterVec
	lag        *prometheus.HistogramVec
	seconds    prometheus.Histogram
}

var _ Observer = (*Metrics)(nil)

// NewMetrics registers the metrics of settlements.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_outbound_attempts_total",
			Help: "Attempts by the TLS level that was decided, the TLS version (clear: none), what verification found, and the status of the first recipient.",
		}, []string{"tls_level", "tls_version", "verification", "status"}),
		recipients: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_outbound_recipients_total", Help: "Tries of recipients by status and by the stage in which they ended.",
		}, []string{"status", "stage"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "postern_queue_lag_seconds", Help: "From the receipt of a message to the end of a recipient, by how it ended.",
			Buckets: []float64{.1, .5, 1, 5, 30, 120, 600, 3600, 4 * 3600, 24 * 3600, 5 * 24 * 3600},
		}, []string{"status"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "postern_outbound_attempt_duration_seconds", Help: "How long attempts took, from the route to the last reply.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300},
		}),
	}
	r.MustRegister(m.attempts, m.recipients, m.lag, m.seconds)
	return m
}

// Settled counts an attempt and what became of its recipients.
func (m *Metrics) Settled(message *delivery.Message, s *delivery.Settlement) {
	if len(s.Attempt.Results) == 0 {
		return // no try
	}
	tls := s.Attempt.TLS
	m.attempts.WithLabelValues(
		s.Attempt.Decision.Level.String(),
		cmp.Or(tls.Version, "clear"),
		cmp.Or(tls.Verdict(), "none"),
		s.Attempt.Results[0].Outcome.Status.String(),
	).Inc()
	m.seconds.Observe(s.Attempt.Duration.Seconds())
	for _, result := range s.Attempt.Results {
		m.recipients.WithLabelValues(result.Outcome.Status.String(), string(result.Outcome.Stage)).Inc()
	}
	for _, p := range s.Progress {
		if p.State.Final() {
			m.lag.WithLabelValues(p.Last.Status.String()).Observe(s.At.Sub(message.ReceivedAt).Seconds())
		}
	}
}
