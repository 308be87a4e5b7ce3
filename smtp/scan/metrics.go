package scan

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The outcomes of an inspection, as logs and metrics name them.
const (
	resultAllowed     = "allowed"
	resultBlocked     = "blocked"
	resultUnavailable = "unavailable"
	resultTooBig      = "too_big"
)

// Metrics counts inspections.
type Metrics struct {
	inspections *prometheus.CounterVec
	seconds     prometheus.Histogram
}

// NewMetrics registers the metrics of this package.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		inspections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_inspection_messages_total", Help: "Messages that were to be inspected, by result.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "postern_inspection_duration_seconds", Help: "How long clients waited for an inspection.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 240},
		}),
	}
	r.MustRegister(m.inspections, m.seconds)
	return m
}

func (m *Metrics) count(result string, took time.Duration) {
	m.inspections.WithLabelValues(result).Inc()
	m.seconds.Observe(took.Seconds())
}
