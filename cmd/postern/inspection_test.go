package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// Messages are shown to a MetaDefender Core over HTTPS before they are accepted:
// what it blocks is refused, what it allows goes through unchanged, and what it
// cannot judge waits with the client (B34). Its certificate must be trusted, and
// its API key never comes out of the gateway again (B32).
func TestContentInspection(t *testing.T) {
	g := newGateway(t, t.TempDir())
	ca, mx := smtptest.NewCA(t), smtptest.NewMX(t, smtptest.MXOptions{})
	core := smtptest.NewCore(t, smtptest.CoreOptions{
		APIKey: "the-key", Looks: 2,
		Certificate: ca.Issue(t, smtptest.Leaf{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}).TLS,
	})
	g.routeTo("ALL", mx)
	profile, _ := json.Marshal(map[string]any{"type": "core", "uris": []string{core.URI()}, "api_key": "the-key", "rule": "Email"})
	g.must("PUT", "/server-profiles/core", string(profile))
	g.must("PATCH", "/settings/inspection?wait=5s", `{"enabled":true,"profile":"core"}`)
	c := g.session("outbound")
	send := func(code int) {
		t.Helper()
		c.Cmd(250, "MAIL FROM:<a@sender.example>")
		c.Cmd(250, "RCPT TO:<b@example.com>")
		c.Cmd(354, "DATA")
		c.Cmd(code, "Subject: x\r\n\r\n..text\r\n.")
	}

	send(451) // the Core's certificate is of an unknown authority
	if test := g.testCore(); test.Passed || test.last() != "tls" || core.Requests() > 0 {
		t.Errorf("the untrusted Core: %+v, %d requests", test, core.Requests())
	}
	result := configtest.Commit(t, g.config, config.Edit{Kind: config.KindTrustAnchor, Key: "cores", Value: policy.TrustAnchor{
		Name: "cores", Usage: policy.TrustAuthority, Certificate: string(ca.RootPEM()),
	}})
	if err := g.config.WaitApplied(t.Context(), result.Revision); err != nil {
		t.Fatal(err)
	}
	if test := g.testCore(); !test.Passed || test.last() != "result" {
		t.Errorf("the trusted Core: %+v", test)
	}
	send(250)
	core.Update(func(o *smtptest.CoreOptions) { o.Result, o.BlockedReason = "Blocked", "Infected" })
	send(550)
	core.Update(func(o *smtptest.CoreOptions) {
		o.Respond = func(*http.Request) (smtptest.CoreReply, bool) { return smtptest.CoreReply{Status: 500}, true }
	})
	send(451)
	g.must("PATCH", "/settings/inspection?wait=5s", `{"on_unavailable":"deliver"}`)
	send(250)
	c.Quit()

	for _, m := range mx.WaitMessages(t, 2) {
		if !strings.HasSuffix(string(m.Content), "\r\nSubject: x\r\n\r\n.text\r\n") {
			t.Errorf("arrived: %q", m.Content)
		}
	}
	if n := len(mx.Messages()); n != 2 {
		t.Errorf("%d messages arrived, want 2", n)
	}
	shown := core.Submissions()
	if n := len(shown); n != 3 { // the test's, the allowed one, the blocked one
		t.Fatalf("%d submissions", n)
	}
	if got := string(shown[1].Content); !strings.HasPrefix(got, "Received: from ") || !strings.HasSuffix(got, "\r\n\r\n.text\r\n") || shown[1].Rule != "Email" {
		t.Errorf("shown to the Core: %+v", shown[1])
	}
	if v := core.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
	g.wantNoKey()
}

// coreTest is the reply to a live test of a profile with one URI.
type coreTest struct {
	Passed  bool `json:"passed"`
	Servers []struct {
		Steps []struct {
			Stage  string `json:"stage"`
			Detail string `json:"detail"`
		} `json:"steps"`
	} `json:"servers"`
}

// last is the stage that the test came to.
func (c coreTest) last() string {
	steps := c.Servers[0].Steps
	return steps[len(steps)-1].Stage
}

func (g *gateway) testCore() coreTest {
	g.t.Helper()
	return decode[coreTest](g.t, g.must("POST", "/server-profiles/core/test", ""))
}

// wantNoKey fails the test where the API key can be read.
func (g *gateway) wantNoKey() {
	g.t.Helper()
	for _, path := range []string{"/server-profiles", "/server-profiles/core", "/revisions", "/revisions/3/diff"} {
		if got := string(g.must("GET", path, "").body); strings.Contains(got, "the-key") {
			g.t.Errorf("%s shows the key: %s", path, got)
		}
	}
}
