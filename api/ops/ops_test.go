package ops

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func get(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestHandler(t *testing.T) {
	var reasons []string
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "postern_test_things_total", Help: "Things."})
	registry.MustRegister(counter)
	counter.Add(3)
	h := http.NewServeMux()
	Register(h, Config{
		NotReady: func(context.Context) []string { return reasons },
		Gatherer: registry,
	})
	tests := []struct {
		name, method, path string
		reasons            []string
		status             int
		body               string
	}{
		{"health", "GET", "/healthz", nil, 200, "ok\n"},
		{"health when not ready", "GET", "/healthz", []string{"x"}, 200, "ok\n"},
		{"ready", "GET", "/readyz", nil, 200, `{"ready":true}`},
		{"not ready", "GET", "/readyz", []string{"the spool cannot be written", "two"}, 503, `{"ready":false,"reasons":["the spool cannot be written","two"]}`},
		{"metrics", "GET", "/metrics", nil, 200, "postern_test_things_total 3"},
		{"head", "HEAD", "/healthz", nil, 200, ""},
		{"post", "POST", "/healthz", nil, 405, ""},
		{"other", "GET", "/debug/pprof/", nil, 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reasons = tt.reasons
			w := get(h, tt.method, tt.path)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestRequestMeter(t *testing.T) {
	registry := prometheus.NewRegistry()
	meter := NewRequestMeter(registry)
	meter.Measure("listDomains", 200, 30*time.Millisecond)
	meter.Measure("listDomains", 400, 2*time.Second)
	mux := http.NewServeMux()
	Register(mux, Config{Gatherer: registry})
	text := get(mux, "GET", "/metrics").Body.String()
	for _, want := range []string{
		`postern_api_requests_total{operation="listDomains",status="200"} 1`,
		`postern_api_requests_total{operation="listDomains",status="400"} 1`,
		`postern_api_request_duration_seconds_bucket{operation="listDomains",le="0.1"} 1`,
		`postern_api_request_duration_seconds_count{operation="listDomains"} 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not among\n%s", want, text)
		}
	}
}
