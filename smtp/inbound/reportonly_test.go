package inbound

import (
	"slices"
	"sync"
	"testing"

	"postern/domain/policy"
	"postern/domain/reportonly"
	"postern/smtp/smtptest"
)

// counted writes down what is reported.
type counted struct {
	mu    sync.Mutex
	lines []string
}

func (c *counted) Refuse(r reportonly.Rule, _, detail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(r.Kind)+" "+r.Name+": "+detail)
}

// trial is a gateway whose policy FLOW only reports.
func trial(t *testing.T, s setup) (*gateway, *counted) {
	t.Helper()
	s.policies[0].ReportOnly = true
	g, told := newGateway(t, s), new(counted)
	g.deps.Reports = told
	g.use(t)
	return g, told
}

// A policy that only reports refuses nobody, and counts what it would have
// refused (B72): mail in clear, and clients without a good certificate.
func TestMailFlowPolicyThatOnlyReports(t *testing.T) {
	ca, stranger := smtptest.NewCA(t), smtptest.NewCA(t)
	mail := func(t *testing.T, g *gateway, ca *smtptest.CA) {
		c := open(t, g)
		if ca == nil {
			c.StartTLS(nil)
		} else {
			c.StartTLS(showing(ca.Issue(t, smtptest.Leaf{CommonName: "client.test"}).TLS))
		}
		c.Cmd(250, "EHLO client.test")
		mailOne(c)
		c.Quit()
	}
	clear := func(t *testing.T, g *gateway) {
		c := open(t, g)
		mailOne(c)
		c.Quit()
	}
	required := func() setup { return setup{policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSRequired)}} }
	for name, tt := range map[string]struct {
		setup   setup
		session func(t *testing.T, g *gateway)
		want    []string
	}{
		"clear":                   {required(), clear, []string{"mail_flow_policy FLOW: the client did not use TLS"}},
		"TLS":                     {required(), func(t *testing.T, g *gateway) { mail(t, g, nil) }, nil},
		"good certificate":        {verifying(ca, policy.ListenerTLSRequired), func(t *testing.T, g *gateway) { mail(t, g, ca) }, nil},
		"no certificate":          {verifying(ca, policy.ListenerTLSRequired), func(t *testing.T, g *gateway) { mail(t, g, nil) }, []string{"mail_flow_policy FLOW: the client showed no certificate"}},
		"no certificate is fine":  {verifying(ca, policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) { mail(t, g, nil) }, nil},
		"invalid certificate":     {verifying(ca, policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) { mail(t, g, stranger) }, []string{"mail_flow_policy FLOW: the client's certificate is not valid"}},
		"clear under both":        {verifying(ca, policy.ListenerTLSRequired), clear, []string{"mail_flow_policy FLOW: the client did not use TLS"}},
		"clear, certificate only": {verifying(ca, policy.ListenerTLSPreferred), clear, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g, told := trial(t, tt.setup)
			tt.session(t, g)
			smtptest.Eventually(t, g.current.Load().Idle)
			if len(g.all()) != 1 || !slices.Equal(told.lines, tt.want) {
				t.Errorf("%d messages accepted, counted %q, want %q", len(g.all()), told.lines, tt.want)
			}
		})
	}
}

// What the listener demands by itself acts, whatever a policy only reports.
func TestReportOnlyLeavesTheListenersDemand(t *testing.T) {
	s := setup{policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSRequired)}}
	g, _ := trial(t, s)
	l, _ := g.config.Snapshot().Listener("test")
	l.Defaults.TLS = policy.ListenerTLSRequired
	p, _ := g.config.Snapshot().FlowPolicy(l, "FLOW")
	if p.TLS != policy.ListenerTLSRequired || !p.Reported.RequireTLS {
		t.Errorf("TLS is %s", p.TLS)
	}
	l.Defaults.TLS = policy.ListenerTLSOff
	if p, _ = g.config.Snapshot().FlowPolicy(l, "FLOW"); p.TLS != policy.ListenerTLSPreferred {
		t.Errorf("without the demand TLS is %s: it must still be offered", p.TLS)
	}
}

// A filter that only reports neither rejects nor holds; its other actions, and
// other filters, act.
func TestFilterThatOnlyReports(t *testing.T) {
	always := policy.FilterCondition{Field: policy.FieldSize, Operator: policy.OperatorGreater, Octets: 1}
	reject := when("reject", always, policy.FilterAction{Action: policy.ActionRejectMessage})
	hold := when("hold", always, policy.FilterAction{Action: policy.ActionHold}, policy.FilterAction{Action: policy.ActionAddHeader, Header: "X-Seen", Value: "yes"})
	reject.ReportOnly, hold.ReportOnly = true, true
	g, told := filtered(t, reject, hold), new(counted)
	g.deps.Reports = told
	g.use(t)
	m := g.sendTo(t, "Subject: x\r\n\r\nx\r\n", "b@example.com")
	want := []string{"content_filter reject: the filter matches", "content_filter hold: the filter matches"}
	if m.Held || !slices.Equal(told.lines, want) {
		t.Errorf("held %t, counted %q", m.Held, told.lines)
	}
	if got := body(t, m); got != "X-Seen: yes\r\nSubject: x\r\n\r\nx\r\n" {
		t.Errorf("content %q", got)
	}
}
