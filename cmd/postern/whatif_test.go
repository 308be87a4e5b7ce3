package main

import (
	"fmt"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

// impactSide is what this test looks at of an impact.
type impactSide struct {
	Judged  int
	Changes []struct {
		From, To string
		Count    int
		Subjects []struct{ Name string }
	}
}

// A draft is tried on what really happened (B72): mail that went in clear would be
// held back, and clients that mail in clear refused; nothing of it is in force.
func TestDraftIsTriedOnThePast(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/default", `{"tls_level":"preferred"}`)
	good, bare := smtptest.NewMX(t, smtptest.MXOptions{}), smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.routeTo("good.example", good)
	g.routeTo("bare.example", bare)
	g.relay(false, "b@good.example", "b@bare.example")
	g.relay(true, "b@good.example")
	good.WaitMessages(t, 2)
	bare.WaitMessages(t, 1)
	smtptest.Eventually(t, func() bool {
		return len(g.sessionList("outcome=accepted")) == 2 && strings.Count(string(g.must("GET", "/deliveries", "").body), "finished_at") == 3
	}, "history is written")

	change := decode[struct{ ID string }](t, g.must("POST", "/changes", `{"comment":"TLS for all"}`)).ID
	g.must("PUT", "/destination-controls/default?change="+change, `{"tls_level":"required"}`)
	g.must("PATCH", "/listeners/outbound?change="+change, `{"default_policy_parameters":{"tls":"required"}}`)
	begun := g.must("POST", "/changes/"+change+"/impact?days=1", "")
	job := strings.TrimPrefix(begun.header.Get("Location"), "/api/v1")
	if done := g.must("GET", job+"?wait=10s", ""); !strings.Contains(string(done.body), `"succeeded"`) {
		t.Fatalf("%s", done.body)
	}
	impact := decode[struct{ Incoming, Outgoing impactSide }](t, g.must("GET", "/changes/"+change+"/impact", ""))
	for want, side := range map[string]impactSide{
		"3 judged, clear → deferred of 1 bare.example": impact.Outgoing,
		"2 judged, clear → refused of 1 127.0.0.1":     impact.Incoming,
	} {
		got := fmt.Sprintf("%d judged", side.Judged)
		for _, c := range side.Changes {
			got += fmt.Sprintf(", %s → %s of %d %s", c.From, c.To, c.Count, c.Subjects[0].Name)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A control that only reports lets mail pass and counts it, over a restart too
// (B72).
func TestReportOnlyIsCounted(t *testing.T) {
	dir := t.TempDir()
	first := newGateway(t, dir)
	first.switchOnTLS()
	bare := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	first.routeTo("bare.example", bare)
	first.must("PUT", "/destination-controls/bare.example", `{"tls_level":"required","report_only":true}`)
	first.must("PUT", "/destination-controls/default?wait=5s", `{"tls_level":"preferred"}`)
	first.relay(false, "b@bare.example", "c@bare.example")
	bare.WaitMessages(t, 2)
	token := first.token
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := newGateway(t, dir)
	second.token = token
	days := decode[struct {
		Items []struct {
			Kind, Name, Example, Detail string
			Refused                     int
		}
	}](t, second.must("GET", "/reports/report-only?kind=destination_control", "")).Items
	if len(days) == 0 || days[0].Name != "bare.example" || days[0].Refused != 2 || days[0].Example == "" || !strings.Contains(days[0].Detail, "in clear") {
		t.Errorf("%+v", days)
	}
}
