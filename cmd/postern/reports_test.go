package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/smtptest"
)

// figures are the columns of a line of the TLS connections report.
type figures struct {
	Direction           string
	Group               string
	Connections         int
	RequiredSuccess     int `json:"required_success"`
	RequiredFailed      int `json:"required_failed"`
	PreferredSuccess    int `json:"preferred_success"`
	PreferredFailed     int `json:"preferred_failed"`
	Unencrypted         int
	MessagesEncrypted   int `json:"messages_encrypted"`
	MessagesUnencrypted int `json:"messages_unencrypted"`
}

// tlsReport asks for the report.
func (g *gateway) tlsReport(query string) (report struct{ Totals, Items []figures }) {
	g.t.Helper()
	if err := json.Unmarshal(g.must("GET", "/reports/tls-connections?"+query, "").body, &report); err != nil {
		g.t.Fatal(err)
	}
	return report
}

// relay sends a message to each recipient in one session on the private
// listener.
func (g *gateway) relay(encrypted bool, recipients ...string) {
	g.t.Helper()
	c := g.session("outbound")
	if encrypted {
		c.StartTLS(anyCertificate())
		c.Cmd(250, "EHLO client.test")
	}
	for _, to := range recipients {
		c.Send("a@sender.example", []string{to}, "Subject: x\r\n\r\nx\r\n")
	}
	c.Quit()
}

// The report's sums are exact over several domains and levels, with a restart in
// between (B66), and destinations say how they fare (B67).
func TestTLSConnectionsAreReported(t *testing.T) {
	dir := t.TempDir()
	first := newGateway(t, dir)
	good, bare := smtptest.NewMX(t, smtptest.MXOptions{}), smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	first.switchOnTLS()
	for domain, level := range map[string]string{"good.example": "required", "bare.example": "preferred", "strict.example": "required", "plain.example": "none"} {
		first.must("PUT", "/destination-controls/"+domain, `{"tls_level":"`+level+`"}`)
	}
	first.routeTo("good.example", good)
	first.routeTo("plain.example", good)
	first.routeTo("bare.example", bare)
	first.routeTo("strict.example", bare)

	first.relay(true, "b@good.example", "b@bare.example", "b@strict.example")
	good.WaitMessages(t, 1)
	bare.WaitMessages(t, 1)
	first.checkStrict()
	token := first.token
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	second := newGateway(t, dir)
	second.token = token
	second.relay(false, "b@good.example", "b@plain.example")
	want := []figures{
		{Direction: "incoming", Group: "127.0.0.1", Connections: 2, PreferredSuccess: 1, Unencrypted: 1, MessagesEncrypted: 3, MessagesUnencrypted: 2},
		{Direction: "outgoing", Group: "bare.example", Connections: 1, Unencrypted: 1, MessagesUnencrypted: 1},
		{Direction: "outgoing", Group: "good.example", Connections: 2, RequiredSuccess: 2, MessagesEncrypted: 2},
		{Direction: "outgoing", Group: "plain.example", Connections: 1, Unencrypted: 1, MessagesUnencrypted: 1},
		{Direction: "outgoing", Group: "strict.example", Connections: 1, RequiredFailed: 1},
	}
	smtptest.Eventually(t, func() bool { return cmp.Equal(want, second.tlsReport("").Items) }, "the sums are exact")
	if diff := cmp.Diff(want, second.tlsReport("group_by=domain").Items); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	total := figures{Direction: "outgoing", Connections: 5, RequiredSuccess: 2, RequiredFailed: 1, Unencrypted: 2, MessagesEncrypted: 2, MessagesUnencrypted: 2}
	if got := second.tlsReport("direction=outgoing&group_by=day").Totals; len(got) != 1 || got[0] != total {
		t.Errorf("total %+v, want %+v", got, total)
	}
	byVersion := second.tlsReport("direction=outgoing&group_by=version").Items
	if len(byVersion) != 2 || byVersion[0].Group != "" || byVersion[1].Group != "TLS1.3" || byVersion[1].RequiredSuccess != 2 {
		t.Errorf("by version %+v", byVersion)
	}
	if picture := second.must("GET", "/reports/tls-connections.svg", ""); !strings.Contains(string(picture.body), "of 5 connections encrypted") {
		t.Errorf("the picture says %s", picture.body)
	}
	// What was seen before the restart is known after it.
	if r := second.must("GET", "/destinations/bare.example", ""); !strings.Contains(string(r.body), `"result":"clear"`) {
		t.Errorf("%s", r.body)
	}
	if r := second.call("GET", "/destinations/unknown.example", ""); r.status != http.StatusNotFound {
		t.Errorf("an unknown destination: %d", r.status)
	}
}

// checkStrict waits until the destination whose host offers no TLS has failed,
// and looks at it.
func (g *gateway) checkStrict() {
	g.t.Helper()
	const path = "/destinations/strict.example"
	smtptest.Eventually(g.t, func() bool {
		g.tlsReport("") // before it what was seen is written
		r := string(g.call("GET", path, "").body)
		return strings.Contains(r, `"deferred":1`) && strings.Contains(r, `"last_tls"`) && strings.Contains(r, `"last_error"`)
	}, "the message is deferred")
	got := decode[struct {
		State       string
		Next        string                                      `json:"next_attempt_at"`
		LastTLS     struct{ Result, Detail string }             `json:"last_tls"`
		LastError   struct{ Outcome struct{ Enhanced string } } `json:"last_error"`
		Requirement struct{ Rule, Entry string }
	}](g.t, g.must("GET", path, ""))
	if got.State == "active" || got.Next == "" || got.Requirement.Rule != "destination_control" || got.Requirement.Entry != "strict.example" ||
		got.LastTLS.Result != "failed" || got.LastError.Outcome.Enhanced != "4.7.4" {
		g.t.Errorf("strict.example: %+v", got)
	}
}
