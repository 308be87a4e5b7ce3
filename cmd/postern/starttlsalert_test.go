package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postern/domain/alert"
	"postern/smtp/smtptest"
)

// webhook makes a recipient of alerts on this machine, and returns its calls.
func (g *gateway) webhook() <-chan map[string]any {
	g.t.Helper()
	calls := make(chan map[string]any, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			g.t.Error(err)
		}
		calls <- body
	}))
	g.t.Cleanup(hook.Close)
	g.must("PATCH", "/settings/alerts", `{"allow_private_webhooks":true}`)
	g.must("PUT", "/alert-recipients/hook?wait=5s", fmt.Sprintf(`{"kind":"webhook","url":%q}`, hook.URL))
	return calls
}

// wantCall waits for the webhook to tell of the alert, and returns it.
func wantCall(t *testing.T, calls <-chan map[string]any, key string) map[string]any {
	t.Helper()
	call := (<-calls)["alert"].(map[string]any)
	if call["key"] != key {
		t.Errorf("the webhook got %v, want %s", call, key)
	}
	return call
}

// A destination that was under TLS goes in clear: what looks like a downgrade
// attack is told once, whatever restart lies between, and is over when TLS is
// back.
func TestDroppedSTARTTLSRaisesAnAlert(t *testing.T) { // B62
	const key = "starttls_dropped:example.com"
	dir := t.TempDir()
	first := newGateway(t, dir)
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	first.switchOnTLS()
	first.must("PUT", "/destination-controls/example.com", `{"tls_level":"preferred"}`)
	first.routeTo("example.com", mx)
	first.relay(false, "b@example.com")
	if m := mx.WaitMessages(t, 1)[0]; m.TLS == nil {
		t.Fatal("the mail went in clear")
	}
	token := first.token
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	mx.Update(func(o *smtptest.MXOptions) { o.StartTLS = smtptest.StartTLSHidden })
	second := newGateway(t, dir)
	second.token = token
	calls := second.webhook()
	second.relay(false, "b@example.com")
	if m := mx.WaitMessages(t, 2)[1]; m.TLS != nil {
		t.Fatal("the mail went under TLS")
	}
	open := second.alert(key, isState(alert.Open), "the alert is open")
	detail, _ := wantCall(t, calls, key)["detail"].(string)
	if open.Severity != "warning" || open.Count != 1 || !strings.Contains(detail, "host 127.0.0.1") || !strings.Contains(detail, "(TLS1.3)") {
		t.Errorf("%+v, %q", open, detail)
	}

	mx.Update(func(o *smtptest.MXOptions) { o.StartTLS = smtptest.StartTLSWorks })
	second.deliverer.CloseIdle()
	second.relay(false, "b@example.com")
	if m := mx.WaitMessages(t, 3)[2]; m.TLS == nil {
		t.Error("the mail went in clear")
	}
	if a := second.alert(key, isState(alert.Resolved), "the alert is resolved"); !strings.Contains(a.Resolution, "TLS is back") || a.ID != open.ID {
		t.Errorf("%+v", a)
	}
}

// A destination without TLS that never had it is none that drops it.
func TestMailInClearIsNoDroppedSTARTTLS(t *testing.T) { // B62
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	strict := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/default", `{"tls_level":"preferred"}`)
	g.must("PUT", "/destination-controls/strict.example", `{"tls_level":"required"}`)
	g.routeTo("example.com", mx)
	g.routeTo("strict.example", strict)
	g.relay(false, "b@example.com")
	mx.WaitMessages(t, 1)
	g.relay(false, "b@strict.example")
	// That alert comes by the same way, and later.
	g.alert("tls_failed:strict.example", isState(alert.Open), "the alert of required TLS is open")
	if keys := g.alerts.service.OpenKeys(alert.STARTTLSDropped); len(keys) != 0 {
		t.Errorf("open: %v", keys)
	}
}

// Each way has its bound, and the alert is over when the bound is kept.
func TestPlaintextShareRaisesAnAlert(t *testing.T) { // B62
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/example.com", `{"tls_level":"preferred"}`)
	g.routeTo("example.com", mx)
	g.relay(true, "b@example.com", "c@example.com") // in under TLS, out in clear
	mx.WaitMessages(t, 2)
	smtptest.Eventually(t, func() bool {
		totals := g.tlsReport("direction=outgoing").Totals
		return len(totals) == 1 && totals[0].MessagesUnencrypted == 2
	}, "both messages are counted")

	calls := g.webhook()
	bound := func(percent int) string {
		one := fmt.Sprintf(`{"enabled":true,"above_percent":%d,"min_messages":2,"window_hours":1}`, percent)
		return fmt.Sprintf(`{"plaintext_share":{"incoming":%s,"outgoing":%s}}`, one, one)
	}
	g.must("PATCH", "/settings/alerts?wait=5s", bound(50))
	g.alert("plaintext_share:outgoing", isState(alert.Open), "the alert is open")
	detail, _ := wantCall(t, calls, "plaintext_share:outgoing")["detail"].(string)
	if !strings.Contains(detail, "Of 2 messages since ") || !strings.Contains(detail, "100.0 percent, where 50 are allowed") {
		t.Errorf("%q", detail)
	}
	if g.alerts.service.IsOpen("plaintext_share:incoming") {
		t.Error("what came in was under TLS")
	}
	g.must("PATCH", "/settings/alerts?wait=5s", `{"plaintext_share":{"outgoing":{"min_messages":3}}}`)
	g.alert("plaintext_share:outgoing", isState(alert.Resolved), "the alert is resolved")
}
