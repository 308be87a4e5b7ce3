package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/certificate"
	"postern/domain/delivery"
	"postern/smtp"
)

// buildInfo says what runs, as a metric that is always 1.
func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "postern_build_info", Help: "The version that runs, and the Go version that built it; always 1.",
		ConstLabels: prometheus.Labels{"version": version(), "go_version": runtime.Version()},
	}, func() float64 { return 1 })
}

// listenerMetrics tells how listeners fare. Their names are an administrator's,
// and few.
type listenerMetrics struct{ read func() []smtp.ListenerStatus }

var (
	sessionsDesc  = prometheus.NewDesc("postern_inbound_sessions", "Connections that are open, by listener.", []string{"listener"}, nil)
	listeningDesc = prometheus.NewDesc("postern_inbound_listening_status", "1 while the listener serves, 0 while it cannot.", []string{"listener"}, nil)
)

// Describe names the metrics.
func (*listenerMetrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- sessionsDesc
	descs <- listeningDesc
}

// Collect reads them.
func (m *listenerMetrics) Collect(metrics chan<- prometheus.Metric) {
	for _, l := range m.read() {
		listening := 1.0
		if l.Problem != "" {
			listening = 0
		}
		metrics <- prometheus.MustNewConstMetric(sessionsDesc, prometheus.GaugeValue, float64(l.Connections), l.Name)
		metrics <- prometheus.MustNewConstMetric(listeningDesc, prometheus.GaugeValue, listening, l.Name)
	}
}

// figuresAge is how old the figures of the queue may be: they are counted on the
// disk, and whoever asks often shall not make the disk count all the time.
const figuresAge = 5 * time.Second

// queueMetrics tells what the queue holds on disk.
type queueMetrics struct {
	read func(context.Context) (delivery.QueueFigures, error)
	now  func() time.Time

	mu      sync.Mutex
	figures delivery.QueueFigures
	asOf    time.Time
}

var (
	messagesDesc = prometheus.NewDesc("postern_queue_messages", "Messages that are not finished, by state.", []string{"state"}, nil)
	oldestDesc   = prometheus.NewDesc("postern_queue_oldest_seconds", "The age of the oldest message that is not finished; 0: there is none.", nil, nil)
)

// Describe names the metrics.
func (*queueMetrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- messagesDesc
	descs <- oldestDesc
}

// Collect reads them; what cannot be read is an error of this metric alone.
func (m *queueMetrics) Collect(metrics chan<- prometheus.Metric) {
	figures, err := m.current()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(messagesDesc, err)
		return
	}
	age := 0.0
	if !figures.Oldest.IsZero() {
		age = max(0, m.now().Sub(figures.Oldest).Seconds())
	}
	metrics <- prometheus.MustNewConstMetric(messagesDesc, prometheus.GaugeValue, float64(figures.Queued), "queued")
	metrics <- prometheus.MustNewConstMetric(messagesDesc, prometheus.GaugeValue, float64(figures.Held), "held")
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age)
}

func (m *queueMetrics) current() (delivery.QueueFigures, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if age := now.Sub(m.asOf); age >= 0 && age < figuresAge {
		return m.figures, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), figuresAge)
	defer cancel()
	figures, err := m.read(ctx)
	if err == nil {
		m.figures, m.asOf = figures, now
	}
	return figures, err
}

// maxCertificates bounds the certificates that are told of, the oldest first.
const maxCertificates = 200

// certificateMetrics tells how long certificates last.
type certificateMetrics struct {
	read func(ctx context.Context, after string, limit int) ([]certificate.Certificate, error)
	now  func() time.Time
}

var remainingDesc = prometheus.NewDesc("postern_certificate_remaining_days", "Days left of each certificate; below 0: it has expired.", []string{"id", "label", "state"}, nil)

// Describe names the metrics.
func (*certificateMetrics) Describe(descs chan<- *prometheus.Desc) { descs <- remainingDesc }

// Collect reads them.
func (m *certificateMetrics) Collect(metrics chan<- prometheus.Metric) {
	list, err := m.read(context.Background(), "", maxCertificates)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(remainingDesc, err)
		return
	}
	for _, c := range list {
		metrics <- prometheus.MustNewConstMetric(remainingDesc, prometheus.GaugeValue,
			c.NotAfter.Sub(m.now()).Hours()/24, c.ID, c.Label, string(c.State))
	}
}
