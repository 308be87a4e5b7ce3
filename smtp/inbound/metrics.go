package inbound

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what clients do. No address is ever a label.
type Metrics struct {
	connections *prometheus.CounterVec
	handshakes  *prometheus.CounterVec
	messages    *prometheus.CounterVec
	octets      prometheus.Counter
}

// NewMetrics registers the metrics of this package.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_inbound_connections_total", Help: "Connections by listener and what became of them.",
		}, []string{"listener", "result"}),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_inbound_tls_handshakes_total", Help: "TLS handshakes by listener, version and result.",
		}, []string{"listener", "version", "result"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_inbound_messages_total", Help: "Messages by listener and result.",
		}, []string{"listener", "result"}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "postern_inbound_message_bytes_total", Help: "Octets of accepted messages.",
		}),
	}
	r.MustRegister(m.connections, m.handshakes, m.messages, m.octets)
	return m
}

func (m *Metrics) connection(listener, result string) {
	m.connections.WithLabelValues(listener, result).Inc()
}

func (m *Metrics) handshake(listener, version, result string) {
	m.handshakes.WithLabelValues(listener, version, result).Inc()
}

func (m *Metrics) message(listener, result string, octets int64) {
	m.messages.WithLabelValues(listener, result).Inc()
	m.octets.Add(float64(octets))
}
