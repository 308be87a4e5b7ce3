package rest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/alert"
	"postern/domain/alert/alerttest"
	"postern/domain/eventlog/eventlogtest"
	"postern/domain/policy"
)

// accepting is a notifier that takes everything and tells nobody.
type accepting struct{}

func (accepting) Notify(alert.Notification) bool { return true }

// newAlerts returns the real service on a store in memory, with one recipient.
func newAlerts(t *testing.T) *alert.Service {
	t.Helper()
	var ids atomic.Int64
	service, err := alert.NewService(t.Context(), alert.Dependencies{
		Store: new(alerttest.Memory), Notifier: accepting{}, Log: new(eventlogtest.Collector), Now: time.Now,
		Recipients: func() []policy.AlertRecipient { return []policy.AlertRecipient{{Name: "operators", Enabled: true}} },
		NewID:      func() string { return fmt.Sprintf("alert-%03d", ids.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// raise raises alerts about failed TLS to the domains, oldest first.
func (f *fixture) raise(severity policy.AlertSeverity, domains ...string) {
	f.t.Helper()
	for _, d := range domains {
		e := alert.Event{Kind: alert.TLSFailed, About: d, Severity: severity, Detail: "450 4.7.4"}
		if err := f.alerts.Raise(f.t.Context(), e); err != nil {
			f.t.Fatal(err)
		}
	}
}

func aboutOf(a answer) string {
	var list []string
	for _, each := range decoded[Page[Alert]](a).Items {
		list = append(list, each.About)
	}
	return strings.Join(list, " ")
}

func TestListAlerts(t *testing.T) {
	f := newFixture(t)
	f.raise(policy.SeverityWarning, "a.example", "b.example")
	f.raise(policy.SeverityCritical, "c.example")
	f.call("POST", "/api/v1/alerts/alert-001/acknowledge", "").want(200)
	f.call("POST", "/api/v1/alerts/alert-002/resolve", "").want(200)
	for query, want := range map[string]string{
		"":                                   "c.example b.example a.example",
		"?state=open":                        "c.example",
		"?state=acknowledged":                "a.example",
		"?state=resolved":                    "b.example",
		"?state=unresolved":                  "c.example a.example",
		"?severity=warning":                  "b.example a.example",
		"?type=system&severity=critical":     "c.example",
		"?state=resolved&severity=critical":  "",
		"?limit=2":                           "c.example b.example",
		"?state=unresolved&severity=warning": "a.example",
	} {
		if got := aboutOf(f.call("GET", "/api/v1/alerts"+query, "").want(200)); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	first := decoded[Page[Alert]](f.call("GET", "/api/v1/alerts?limit=2", "").want(200))
	if got := aboutOf(f.call("GET", "/api/v1/alerts?limit=2&cursor="+first.NextCursor, "").want(200)); got != "a.example" {
		t.Errorf("second page: %q", got)
	}
	for _, query := range []string{"?state=loud", "?type=gossip", "?severity=mild", "?about=x"} {
		f.call("GET", "/api/v1/alerts"+query, "").want(400)
	}
}

func TestAlertActions(t *testing.T) { // B62
	f := newFixture(t)
	f.raise(policy.SeverityWarning, "example.com")
	const one = "/api/v1/alerts/alert-001"
	shown := decoded[Alert](f.callAs("viewer", "GET", one, "").want(200))
	if shown.Key != "tls_failed:example.com" || shown.State != alert.Open || shown.Advice == "" || shown.Notified != 1 {
		t.Errorf("%+v", shown)
	}
	if diff := cmp.Diff([]string{"operators pending"}, noticesOf(shown)); diff != "" {
		t.Error(diff)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	body := fmt.Sprintf(`{"until":%q}`, until.Format(time.RFC3339))
	f.callAs("viewer", "POST", one+"/silence", body).want(403)
	shown = decoded[Alert](f.callAs("operator", "POST", one+"/silence", body).want(200))
	if shown.SilencedUntil == nil || !shown.SilencedUntil.Equal(until) {
		t.Errorf("silenced until %v", shown.SilencedUntil)
	}
	shown = decoded[Alert](f.callAs("operator", "POST", one+"/silence", `{"until":"2020-01-01T00:00:00Z"}`).want(200))
	if shown.SilencedUntil != nil {
		t.Errorf("silenced until %v", shown.SilencedUntil)
	}
	shown = decoded[Alert](f.callAs("operator", "POST", one+"/acknowledge", "").want(200))
	if shown.State != alert.Acknowledged || shown.AcknowledgedBy != "test-operator" {
		t.Errorf("%+v", shown)
	}
	shown = decoded[Alert](f.callAs("operator", "POST", one+"/resolve", "").want(200))
	if shown.State != alert.Resolved || shown.Resolution != "by test-operator" || shown.ResolvedAt == nil {
		t.Errorf("%+v", shown)
	}
	for _, action := range []string{"/acknowledge", "/resolve"} {
		f.callAs("operator", "POST", one+action, "").want(409)
		f.callAs("operator", "POST", "/api/v1/alerts/none"+action, "").want(404)
	}
	f.callAs("operator", "POST", one+"/silence", body).want(409)
}

func noticesOf(a Alert) (list []string) {
	for _, n := range a.Notices {
		list = append(list, n.Recipient+" "+n.State)
	}
	return list
}

func TestBadSilences(t *testing.T) {
	f := newFixture(t)
	f.raise(policy.SeverityWarning, "example.com")
	for body, status := range map[string]int{
		`{}`: 422, `{"until":"soon"}`: 422, `{"until":"2126-01-01T00:00:00Z"}`: 422, `{"until":"2020-01-01T00:00:00Z","for":1}`: 400,
	} {
		if got := f.call("POST", "/api/v1/alerts/alert-001/silence", body); got.status != status {
			t.Errorf("%s: %d, want %d: %s", body, got.status, status, got.body)
		}
	}
}

func TestAlertRecipientLifecycle(t *testing.T) { // B62
	f := newFixture(t)
	const one = "/api/v1/alert-recipients/operators"
	created := f.call("PUT", one, `{"kind":"mail","address":"Operators@EXAMPLE.com"}`).want(201)
	shown := decoded[AlertRecipient](created)
	if shown.Name != "operators" || shown.Address.String() != "Operators@example.com" || shown.Enabled == nil || !*shown.Enabled || shown.Types == nil {
		t.Errorf("%s", created.body)
	}
	patched := decoded[AlertRecipient](f.call("PATCH", one, `{"enabled":false,"min_severity":"critical"}`).want(200))
	if *patched.Enabled || patched.MinSeverity != policy.SeverityCritical || patched.Address != shown.Address {
		t.Errorf("%+v", patched)
	}
	recipients := f.config.Snapshot().AlertRecipients()
	if len(recipients) != 1 || recipients[0].Enabled {
		t.Errorf("%+v", recipients)
	}
	f.callAs("operator", "DELETE", one, "").want(403)
	f.call("DELETE", one, "").want(204)
	f.call("GET", one, "").want(404)
}

func TestBadAlertRecipients(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]string{
		`{"kind":"pager"}`: "/kind: ",
		`{"kind":"mail"}`:  "/address: is required",
		`{"kind":"webhook","url":"ftp://x.example"}`:            "/url: must be an absolute URL",
		`{"kind":"webhook","url":"https://a:b@x.ex/"}`:          "/url: must not hold",
		`{"kind":"mail","address":"a@b.example","types":["x"]}`: "/types/0: ",
	} {
		faults := f.call("PUT", "/api/v1/alert-recipients/a", body).want(422).faults()
		if len(faults) != 1 || !strings.HasPrefix(faults[0], want) {
			t.Errorf("%s: %q, want %q", body, faults, want)
		}
	}
	f.call("PUT", "/api/v1/alert-recipients/a", `{"kind":"mail","address":"no address"}`).want(422)
	warned := f.call("PUT", "/api/v1/alert-recipients/a", `{"kind":"webhook","url":"http://hooks.example.com/"}`).want(201)
	if !strings.Contains(string(warned.body), "in clear") {
		t.Errorf("no warning: %s", warned.body)
	}
}

func TestAlertSettings(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", "/api/v1/settings/alerts", `{"smart_host":"a b"}`).want(422)
	f.call("PATCH", "/api/v1/settings/alerts", `{"smart_host":"[::1]:2525","from":"alerts@example.com"}`).want(200)
	s := decoded[AlertSettings](f.call("GET", "/api/v1/settings/alerts", "").want(200))
	if s.SmartHost != "[::1]:2525" || s.From.String() != "alerts@example.com" || s.AllowPrivateWebhooks {
		t.Errorf("%+v", s)
	}
	if all := decoded[Settings](f.call("GET", "/api/v1/settings", "").want(200)); all.Alerts != s {
		t.Errorf("%+v", all.Alerts)
	}
}

// A bound that is changed one way leaves the other, and what is wrong is named.
func TestPlaintextShareSettings(t *testing.T) { // B62
	f := newFixture(t)
	const path = "/api/v1/settings/alerts"
	f.call("PATCH", path, `{"plaintext_share":{"outgoing":{"enabled":true,"above_percent":20,"min_messages":5,"window_hours":24}}}`).want(200)
	f.call("PATCH", path, `{"plaintext_share":{"incoming":{"above_percent":50}}}`).want(200)
	want := policy.PlaintextShare{
		Incoming: policy.ShareBound{AbovePercent: 50},
		Outgoing: policy.ShareBound{Enabled: true, AbovePercent: 20, MinMessages: 5, WindowHours: 24},
	}
	if got := decoded[AlertSettings](f.call("GET", path, "").want(200)).PlaintextShare; got != want {
		t.Errorf("%+v", got)
	}
	faults := f.call("PATCH", path, `{"plaintext_share":{"incoming":{"enabled":true,"above_percent":100}}}`).want(422).faults()
	for i, place := range []string{"/plaintext_share/incoming/above_percent: ", "/plaintext_share/incoming/min_messages: ", "/plaintext_share/incoming/window_hours: "} {
		if len(faults) != 3 || !strings.HasPrefix(faults[i], place) {
			t.Errorf("%q, want %s…", faults, place)
		}
	}
	f.callAs("operator", "PATCH", path, `{}`).want(403)
}
