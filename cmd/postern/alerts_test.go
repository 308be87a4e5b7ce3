package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postern/domain/alert"
	"postern/smtp/smtptest"
)

// shownAlert is what the tests read of an alert.
type shownAlert struct {
	ID, Key, State, Resolution string
	Severity, Detail           string
	Count                      int64
	Notices                    []struct{ Recipient, State, Detail string }
}

// alert waits for the newest alert of the key to meet the condition.
func (g *gateway) alert(key string, meets func(shownAlert) bool, what string) (found shownAlert) {
	g.t.Helper()
	smtptest.Eventually(g.t, func() bool {
		list := decode[struct{ Items []shownAlert }](g.t, g.must("GET", "/alerts", ""))
		for _, a := range list.Items {
			if a.Key == key {
				found = a
				return meets(a)
			}
		}
		return false
	}, what)
	return found
}

func isState(state alert.State) func(shownAlert) bool {
	return func(a shownAlert) bool { return a.State == string(state) }
}

// Required TLS fails: an alert is open, mail and webhook say so, by a path that
// the rule against clear mail does not touch. Mended, it is resolved.
func TestFailedTLSRaisesAnAlertThatSuccessResolves(t *testing.T) { // B28, B62
	g := newGateway(t, t.TempDir())
	operators := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	calls := make(chan map[string]any, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		calls <- body
	}))
	defer hook.Close()
	g.switchOnTLS()
	g.must("PUT", "/settings/alerts", fmt.Sprintf(`{"smart_host":%q,"allow_private_webhooks":true}`, operators.Addr()))
	g.must("PUT", "/alert-recipients/mail", `{"kind":"mail","address":"operator@example.com","subject_prefix":"[gw]"}`)
	g.must("PUT", "/alert-recipients/hook", fmt.Sprintf(`{"kind":"webhook","url":%q}`, hook.URL))
	// The destination of the mail is that of the alert mail too, and may not get
	// anything in clear.
	g.must("PUT", "/destination-controls/example.com", `{"tls_level":"required"}`)
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.routeTo("example.com", mx)

	c := g.session("outbound")
	c.Send("a@sender.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
	open := g.alert("tls_failed:example.com", isState(alert.Open), "the alert is open")
	if open.Severity != "warning" || open.Count != 1 {
		t.Errorf("%+v", open)
	}
	letter := operators.WaitMessages(t, 1)[0]
	if letter.Recipients[0].Address != "operator@example.com" || letter.Sender.Address != "postern@mail.example.com" ||
		!strings.Contains(string(letter.Content), "Subject: [gw] TLS failed to example.com, which requires it\r\n") {
		t.Errorf("from %s to %v: %s", letter.Sender.Address, letter.Recipients, letter.Content)
	}
	if call := <-calls; call["alert"].(map[string]any)["key"] != "tls_failed:example.com" || call["gateway"] != "mail.example.com" {
		t.Errorf("the webhook got %v", call)
	}
	g.alert("tls_failed:example.com", func(a shownAlert) bool {
		return len(a.Notices) == 2 && a.Notices[0].State == "sent" && a.Notices[1].State == "sent"
	}, "both recipients are noted as told")

	mx.Update(func(o *smtptest.MXOptions) { o.StartTLS = smtptest.StartTLSWorks })
	g.must("POST", "/messages/actions", `{"action":"retry","filter":{}}`)
	if m := mx.WaitMessages(t, 1)[0]; m.TLS == nil {
		t.Error("the mail went in clear")
	}
	resolved := g.alert("tls_failed:example.com", isState(alert.Resolved), "the alert is resolved")
	if !strings.Contains(resolved.Resolution, "TLS1.3") || resolved.ID != open.ID {
		t.Errorf("%+v", resolved)
	}
	if n := len(operators.Messages()); n != 1 {
		t.Errorf("%d letters, want one", n)
	}
}

// A rule that is changed ends the alert too: what went out did not need TLS.
func TestChangedPolicyResolvesTheAlert(t *testing.T) { // B28
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/example.com", `{"tls_level":"required"}`)
	g.routeTo("example.com", mx)
	c := g.session("outbound")
	c.Send("a@sender.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
	g.alert("tls_failed:example.com", isState(alert.Open), "the alert is open")
	g.must("PUT", "/destination-controls/example.com?wait=5s", `{"tls_level":"preferred"}`)
	g.must("POST", "/messages/actions", `{"action":"retry","filter":{}}`)
	mx.WaitMessages(t, 1)
	a := g.alert("tls_failed:example.com", isState(alert.Resolved), "the alert is resolved")
	if !strings.Contains(a.Resolution, "not required any more") {
		t.Errorf("%+v", a)
	}
}

// Private targets are refused, the failure is noted on the alert, and it raises
// no other one.
func TestFailureOfAnAlertIsNotedAndRaisesNone(t *testing.T) {
	g := newGateway(t, t.TempDir())
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a private target was called") }))
	defer hook.Close()
	g.must("PUT", "/alert-recipients/hook?wait=5s", fmt.Sprintf(`{"kind":"webhook","url":%q}`, hook.URL))
	raise := alert.Event{Kind: alert.TLSFailed, About: "example.com", Severity: "warning"}
	if err := g.alerts.service.Raise(t.Context(), raise); err != nil {
		t.Fatal(err)
	}
	a := g.alert(raise.Key(), func(a shownAlert) bool { return len(a.Notices) == 1 && a.Notices[0].State == "failed" }, "the failure is noted")
	if !strings.Contains(a.Notices[0].Detail, "private network") || a.Count != 1 {
		t.Errorf("%+v", a)
	}
	if list := decode[struct{ Items []shownAlert }](t, g.must("GET", "/alerts", "")); len(list.Items) != 1 {
		t.Errorf("%d alerts", len(list.Items))
	}
}

// A listener that cannot start is an alert until it does.
func TestRevisionThatCannotBeAppliedIsAnAlert(t *testing.T) { // B70
	g := newGateway(t, t.TempDir())
	port := closedPort(t)
	g.must("PATCH", "/listeners/inbound?wait=5s", fmt.Sprintf(`{"port":%d}`, port))
	before := g.config.Snapshot().Revision
	g.must("PATCH", "/listeners/inbound?wait=5s", `{"port":0}`)
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	// Rolling back does not ask whether the port is still free.
	g.must("POST", fmt.Sprintf("/revisions/%d/rollback", before), "")
	a := g.alert("revision_not_applied:listener inbound", isState(alert.Open), "the alert is open")
	if a.Severity != "critical" {
		t.Errorf("%+v", a)
	}
	g.must("PATCH", "/listeners/inbound?wait=5s", `{"port":0}`)
	g.alert("revision_not_applied:listener inbound", isState(alert.Resolved), "the alert is resolved")
}

func TestAlertsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	first := newGateway(t, dir)
	if err := first.alerts.service.Raise(t.Context(), alert.Event{Kind: alert.TLSFailed, About: "example.com", Severity: "warning"}); err != nil {
		t.Fatal(err)
	}
	token := first.token
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := newGateway(t, dir)
	second.token = token
	second.alert("tls_failed:example.com", isState(alert.Open), "the alert is open")
	if got := second.alerts.service.OpenKeys(alert.TLSFailed); len(got) != 1 {
		t.Errorf("open: %v", got)
	}
}
