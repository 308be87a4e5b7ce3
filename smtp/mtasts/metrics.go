package mtasts

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/mtasts"
)

// Metrics counts fetches. No domain is ever a label.
type Metrics struct {
	fetches *prometheus.CounterVec
}

// NewMetrics registers the metrics of this package.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "postern_outbound_mta_sts_fetches_total", Help: "Fetches of MTA-STS policies, by result (success, or why there was none).",
	}, []string{"result"})}
	r.MustRegister(m.fetches)
	return m
}

func (m *Metrics) fetched(r mtasts.Result) {
	m.fetches.WithLabelValues(cmp.Or(string(r), "success")).Inc()
}

// Count registers gauges of the policies that the cache has in force, by mode.
func (c *Cache) Count(r prometheus.Registerer) {
	for _, mode := range []mtasts.Mode{mtasts.ModeEnforce, mtasts.ModeTesting, mtasts.ModeNone} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "postern_outbound_mta_sts_policies", Help: "MTA-STS policies of other domains in force, by mode.",
			ConstLabels: prometheus.Labels{"mode": string(mode)},
		}, func() float64 { return float64(c.inForce(mode)) }))
	}
}

func (c *Cache) inForce(mode mtasts.Mode) (n int) {
	for _, e := range c.List() {
		if e.Policy.Mode == mode && e.InForce(c.Now()) {
			n++
		}
	}
	return n
}
