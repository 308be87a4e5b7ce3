package main

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"postern/smtp/queue"
)

// registerMetrics adds what is read when it is asked for: process, build, queue,
// revisions, caches, certificates. scripts/dashboards/README.md lists all of
// them.
func (a *App) registerMetrics() {
	a.registry.MustRegister(
		buildInfo(),
		&listenerMetrics{a.engine.Listeners},
		&queueMetrics{read: a.database.Queue().Figures, now: time.Now},
		&certificateMetrics{read: a.certificates.List, now: time.Now},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		counter("postern_queue_accepted_total", "Messages taken into the queue.", a.fromQueue(func(s queue.Stats) int64 { return s.Accepted })),
		counter("postern_queue_delivered_total", "Recipients delivered.", a.fromQueue(func(s queue.Stats) int64 { return s.Delivered })),
		counter("postern_queue_deferred_total", "Tries that ended in a later one.", a.fromQueue(func(s queue.Stats) int64 { return s.Deferred })),
		counter("postern_queue_bounced_total", "Recipients that failed for good.", a.fromQueue(func(s queue.Stats) int64 { return s.Bounced })),
		gauge("postern_queue_waiting_recipients", "Recipients to be tried.", a.fromQueue(func(s queue.Stats) int64 { return s.Waiting })),
		gauge("postern_queue_destinations", "Destinations with mail.", a.fromQueue(func(s queue.Stats) int64 { return int64(s.Destinations) })),
		gauge("postern_queue_suspended_destinations", "Destinations out of reach.", a.fromQueue(func(s queue.Stats) int64 { return int64(s.Suspended) })),
		gauge("postern_queue_active_deliveries", "Deliveries under way.", a.fromQueue(func(s queue.Stats) int64 { return int64(s.Active) })),
		gauge("postern_queue_memory_messages", "Messages of which something is in memory.", a.fromQueue(func(s queue.Stats) int64 { return int64(s.InMemory) })),
		gauge("postern_queue_memory_bytes", "What bodies take in memory.", a.fromQueue(func(s queue.Stats) int64 { return s.BodyOctets })),
		gauge("postern_queue_accepting_status", "1 while messages can be stored, else 0.", a.accepting),
		gauge("postern_outbound_no_tls_hosts", "Hosts on the one-hour list.", func() float64 { return float64(len(a.oneHour.List())) }),
		gauge("postern_dns_cache_entries", "Answers and failures of the DNS that are remembered.", func() float64 { return float64(a.resolver.current.Load().Cached()) }),
		gauge("postern_dns_validating_status", "1 while the DNS resolvers are known to validate, 0 while they are known not to, -1 where neither is known.", a.resolver.validatingStatus),
		gauge("postern_outbound_idle_connections", "Connections kept for reuse.", func() float64 { return float64(a.deliverer.IdleConnections()) }),
		gauge("postern_config_committed_revision", "Newest committed revision.", func() float64 { return float64(a.config.Status().Committed) }),
		gauge("postern_config_applied_revision", "Revision in force.", func() float64 { return float64(a.config.Status().Applied) }),
		gauge("postern_alerts_unresolved", "Alerts that are not resolved.", func() float64 { return float64(a.alerts.service.Unresolved()) }),
		counter("postern_alerts_sent_total", "Notifications that arrived.", func() float64 { return float64(a.alerts.dispatcher.Sent()) }),
		counter("postern_alerts_failed_total", "Notifications that did not arrive.", func() float64 { return float64(a.alerts.dispatcher.Failed()) }),
		counter("postern_alerts_dropped_total", "Events dropped because there were too many.", func() float64 { return float64(a.alerts.deliveries.Dropped()) }),
		gauge("postern_certificate_active_days", "Days left of the active certificate; below 0: it has expired; NaN: none is active.", a.activeDays),
	)
}

func (a *App) fromQueue(figure func(queue.Stats) int64) func() float64 {
	return func() float64 { return float64(figure(a.queue.Stats())) }
}

func (a *App) accepting() float64 {
	if a.queue.Accepting() != nil {
		return 0
	}
	return 1
}

// activeDays returns the whole days that the active certificate has left, below zero
// where it has expired; no number where none is active.
func (a *App) activeDays() float64 {
	active, err := a.certificates.Active(context.Background())
	if err != nil {
		return math.NaN()
	}
	return float64(active.DaysLeft(time.Now()))
}

func gauge(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

func counter(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read)
}
