package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"postern/smtp/smtptest"
)

const dashboards = "../../scripts/dashboards"

// metric is a metric as the registry describes it.
type metric struct {
	name   string
	labels []string
}

// describedMetrics are those of ours, whether they have a value yet or not.
func describedMetrics(t *testing.T, registry *prometheus.Registry) map[string]metric {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		registry.Describe(descs)
	}()
	read := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([\w,]*)\}`)
	found := map[string]metric{}
	for desc := range descs {
		parts := read.FindStringSubmatch(desc.String())
		if parts == nil {
			t.Fatalf("%s cannot be read", desc)
		}
		if strings.HasPrefix(parts[1], "postern_") {
			found[parts[1]] = metric{parts[1], strings.Split(parts[2], ",")}
		}
	}
	return found
}

// Names follow spec/api.md: postern_<part>_<what>_<unit>; no label can hold a
// mail address or a domain.
func TestMetricsAreNamedByTheRule(t *testing.T) {
	g := newGateway(t, t.TempDir())
	form := regexp.MustCompile(`^postern_(alerts|api|build|certificate|config|dns|events|inbound|inspection|outbound|queue|report|webhook)(_[a-z]+)+$`)
	bounded := []string{
		"", "id", "label", "listener", "operation", "requirement", "result", "stage", "state", "status",
		"tls_level", "tls_version", "type", "verification", "version",
	}
	for name, m := range describedMetrics(t, g.registry) {
		if !form.MatchString(name) {
			t.Errorf("%s is not named by the rule", name)
		}
		for _, label := range m.labels {
			if !slices.Contains(bounded, label) {
				t.Errorf("%s has the label %q, which is not among those whose values are few", name, label)
			}
		}
	}
	families, err := g.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		counts := family.GetType().String() == "COUNTER"
		if strings.HasPrefix(family.GetName(), "postern_") && counts != strings.HasSuffix(family.GetName(), "_total") {
			t.Errorf("%s is a %s", family.GetName(), family.GetType())
		}
	}
}

// The table of metrics and the registry agree both ways.
func TestMetricsAreDocumented(t *testing.T) {
	g := newGateway(t, t.TempDir())
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(readText(t, "README.md"), -1) {
		documented[row[1]] = true
	}
	registered := map[string]bool{}
	for name := range describedMetrics(t, g.registry) {
		registered[name] = true
	}
	if diff := cmp.Diff(documented, registered); diff != "" {
		t.Errorf("the table of scripts/dashboards/README.md (-) and the registry (+) differ\n%s", diff)
	}
}

// What dashboards and alert rules ask for exists.
func TestDashboardsAskForMetricsThatExist(t *testing.T) {
	g := newGateway(t, t.TempDir())
	known := describedMetrics(t, g.registry)
	var board any
	if err := json.Unmarshal([]byte(readText(t, "postern.json")), &board); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, file := range []string{"postern.json", "alerts.yaml", "alerts_test.yaml"} {
		for _, name := range regexp.MustCompile(`\bpostern_\w+`).FindAllString(readText(t, file), -1) {
			asked++
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if _, ok := known[base]; !ok {
				t.Errorf("%s asks for %s, which does not exist", file, name)
			}
		}
	}
	if asked < 50 {
		t.Errorf("only %d names were found", asked)
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dashboards, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Mail that flows is counted, by level, version and verification, in and out.
func TestMetricsCountMail(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{Certificate: smtptest.NewCA(t).IssueFor(t, "partner.example").TLS})
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/partner.example", `{"tls_level":"required"}`)
	g.routeTo("partner.example", mx)
	g.sendTo("a@partner.example")
	smtptest.Eventually(t, func() bool {
		return strings.Contains(g.metrics(), `postern_queue_lag_seconds_count{status="delivered"} 1`)
	})
	for _, want := range []string{
		`postern_inbound_messages_total{listener="outbound",result="accepted"} 1`,
		`postern_inbound_sessions{listener="outbound"}`,
		`postern_inbound_listening_status{listener="inbound"} 1`,
		`postern_outbound_connections_total{requirement="required",result="success",verification="untrusted",version="TLS1.3"} 1`,
		`postern_outbound_messages_total{requirement="required",version="TLS1.3"} 1`,
		`postern_outbound_attempts_total{status="delivered",tls_level="required",tls_version="TLS1.3",verification="untrusted"} 1`,
		`postern_outbound_recipients_total{stage="transfer",status="delivered"} 1`,
		`postern_certificate_remaining_days{id="`,
		`postern_build_info{go_version="go1.`,
		`postern_queue_messages{state="held"} 0`,
		`postern_queue_accepting_status 1`,
	} {
		if text := g.metrics(); !strings.Contains(text, want) {
			t.Errorf("%s is not among\n%s", want, text)
		}
	}
	if text := g.metrics(); strings.Contains(text, "partner.example") {
		t.Error("the metrics name a destination")
	}
}

func (g *gateway) metrics() string {
	g.t.Helper()
	response, err := http.Get("http://" + g.APIAddr() + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		g.t.Fatal(response.Status, err)
	}
	return string(text)
}
