package outbound

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/tlsreport"
)

// Metrics counts connections and the messages that they carry, and passes on
// what it is told. No host and no domain is ever a label.
type Metrics struct {
	Observer
	connections *prometheus.CounterVec
	messages    *prometheus.CounterVec
}

// NewMetrics registers the metrics of this package, which stand before another
// observer.
func NewMetrics(r prometheus.Registerer, next Observer) *Metrics {
	m := &Metrics{
		Observer: next,
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_outbound_connections_total",
			Help: "New connections by how much TLS was asked for, what became of it (none: it never was a question), the version, and what verification found.",
		}, []string{"requirement", "result", "version", "verification"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_outbound_messages_total", Help: "Messages that peers have taken, by how much TLS was asked for and the version (clear: none).",
		}, []string{"requirement", "version"}),
	}
	r.MustRegister(m.connections, m.messages)
	return m
}

// CountConnection is [Observer.CountConnection].
func (m *Metrics) CountConnection(c tlsreport.Connection) {
	m.connections.WithLabelValues(string(c.Requirement), string(c.Result),
		cmp.Or(c.TLS.Version, "clear"), cmp.Or(c.TLS.Verdict(), "none")).Inc()
	m.Observer.CountConnection(c)
}

// CountMessage is [Observer.CountMessage].
func (m *Metrics) CountMessage(c tlsreport.Connection) {
	m.messages.WithLabelValues(string(c.Requirement), cmp.Or(c.TLS.Version, "clear")).Inc()
	m.Observer.CountMessage(c)
}
