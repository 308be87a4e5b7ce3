package ops

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RequestMeter counts requests to the API.
type RequestMeter struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewRequestMeter registers the meters of the API.
func NewRequestMeter(r prometheus.Registerer) *RequestMeter {
	m := &RequestMeter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_api_requests_total", Help: "Requests by operation and HTTP status.",
		}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "postern_api_request_duration_seconds", Help: "Time from request to reply by operation, waiting included.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"operation"}),
	}
	r.MustRegister(m.requests, m.seconds)
	return m
}

// Measure counts a finished request. The operation is the id of one, never a
// path: paths hold names of people's domains, and there is no end of them.
func (m *RequestMeter) Measure(operation string, status int, took time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
}
