// Package ops answers those who operate the gateway rather than use it: is the
// process alive, is it ready for work, and what do its meters say. The paths
// stand outside /api/v1, need no credentials and tell nothing about mail.
package ops

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what the handler is made of.
type Config struct {
	// NotReady returns the reasons why the gateway should get no work now, in
	// words fit for anyone; none if it is ready (B77).
	NotReady func(context.Context) []string
	// Gatherer is served at /metrics in the formats that Prometheus reads.
	Gatherer prometheus.Gatherer
}

// Readiness is the reply of /readyz.
type Readiness struct {
	Ready bool `json:"ready"`
	// Reasons say why not.
	Reasons []string `json:"reasons,omitempty"`
}

// Register adds /healthz, /readyz and /metrics to the paths of a listener.
//
// A process that answers is healthy: restarting it would not help a full disk
// or a taken port, which are matters of readiness.
func Register(mux *http.ServeMux, c Config) {
	mux.HandleFunc("GET /healthz", healthy)
	mux.Handle("GET /readyz", ready(c.NotReady))
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Gatherer, promhttp.HandlerOpts{
		// One broken collector must not blind the others.
		ErrorHandling: promhttp.ContinueOnError,
		// Gathering costs work; this port may be open to many.
		MaxRequestsInFlight: 4,
	}))
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

func ready(notReady func(context.Context) []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reasons := notReady(r.Context())
		status := http.StatusOK
		if len(reasons) > 0 {
			status = http.StatusServiceUnavailable
		}
		body, err := json.Marshal(Readiness{Ready: len(reasons) == 0, Reasons: reasons})
		if err != nil {
			panic(err) // strings and a boolean always marshal
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(append(body, '\n'))
	}
}
