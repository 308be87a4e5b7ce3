package outbound

import (
	"context"
	"sync"
	"testing"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/smtptest"
)

// published are the policies of domains.
type published struct {
	mu    sync.Mutex
	by    map[mailaddr.DomainName]mtasts.Finding
	asked []mailaddr.DomainName
}

func (p *published) Look(_ context.Context, name mailaddr.DomainName) mtasts.Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, name)
	return p.by[name]
}

// inForce is the finding of a policy with the hosts.
func inForce(mode mtasts.Mode, hosts ...mtasts.MXPattern) mtasts.Finding {
	p := mtasts.Policy{Mode: mode, MX: hosts}
	return mtasts.Finding{Applies: true, Entry: mtasts.Entry{Domain: "example.com", RecordID: "1", Text: p.String(), Policy: p}}
}

// newPolicyRig is a rig that asks for MTA-STS policies.
func newPolicyRig(t *testing.T, finding mtasts.Finding, values ...config.Value) (*rig, *published) {
	t.Helper()
	r := newRig(t, append([]config.Value{policy.MTASTSSettings{Enabled: true}}, values...)...)
	p := &published{by: map[mailaddr.DomainName]mtasts.Finding{"example.com": finding}}
	r.Policies = p
	return r, p
}

// TestMTASTS is B60: what each state makes of a host with a good certificate, one with
// a bad one, and one without TLS.
func TestMTASTS(t *testing.T) {
	const untrusted, clear = "deferred verify 450 4.7.5", "deferred starttls 450 4.7.4"
	broken := mtasts.Finding{Problem: mtasts.Problem{Result: mtasts.ResultFetch, Detail: "404"}}
	unknown := mtasts.Finding{Unknown: true, Problem: mtasts.Problem{Result: mtasts.ResultLookup, Detail: "SERVFAIL"}}
	overridden := policy.DestinationControl{OverrideRemotePolicy: &policy.Override{Reason: "their certificate expired"}}
	overridden.Pattern, _ = mailaddr.ParseHostPattern("example.com")
	byRoute := route(t, "example.com", "mx.example.com")
	itsOwn := byRoute
	itsOwn.PolicyDomain = true
	tests := []struct {
		name            string
		finding         mtasts.Finding
		values          []config.Value
		good, bad, none string
	}{
		{"no policy", mtasts.Finding{}, nil, delivered, delivered, delivered},
		{"enforce, listed", inForce(mtasts.ModeEnforce, "mx.example.com"), nil, delivered, untrusted, clear},
		{"enforce, by wildcard", inForce(mtasts.ModeEnforce, "*.example.com"), nil, delivered, untrusted, clear},
		{"enforce, not listed", inForce(mtasts.ModeEnforce, "other.example.com"), nil, unlisted, unlisted, unlisted},
		{"testing", inForce(mtasts.ModeTesting, "mx.example.com"), nil, delivered, delivered, delivered},
		{"testing, not listed", inForce(mtasts.ModeTesting, "other.example.com"), nil, delivered, delivered, delivered},
		{
			"testing does not weaken", inForce(mtasts.ModeTesting, "mx.example.com"),
			[]config.Value{control(t, "example.com", policy.TLSRequired)},
			delivered, delivered, clear,
		},
		{"none", inForce(mtasts.ModeNone), nil, delivered, delivered, delivered},
		{"policy that cannot be fetched", broken, nil, delivered, delivered, delivered},
		{"unknown", unknown, nil, waits, waits, waits},
		{"unknown, lifted", unknown, []config.Value{overridden}, delivered, delivered, delivered},
		{"lifted", inForce(mtasts.ModeEnforce, "other.example.com"), []config.Value{overridden}, delivered, delivered, delivered},
		{"by a route", inForce(mtasts.ModeEnforce, "other.example.com"), []config.Value{byRoute}, delivered, delivered, delivered},
		{"by a route to the domain's own hosts", inForce(mtasts.ModeEnforce, "other.example.com"), []config.Value{itsOwn}, unlisted, unlisted, unlisted},
		{"switched off", inForce(mtasts.ModeEnforce, "other.example.com"), []config.Value{policy.MTASTSSettings{}}, delivered, delivered, delivered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for host, wanted := range map[string]string{"good": tt.good, "bad": tt.bad, "none": tt.none} {
				values := append([]config.Value{control(t, "default", policy.TLSPreferred)}, tt.values...)
				r, _ := newPolicyRig(t, tt.finding, values...)
				options := smtptest.MXOptions{}
				switch host {
				case "bad":
					options.Certificate = r.ca.IssueFor(t, "example.com").TLS // the domain is not the host
				case "none":
					options.StartTLS = smtptest.StartTLSHidden
				}
				mx := r.simple(options)
				a := r.send("b@example.com")
				want(t, a, wanted)
				conforms(t, mx)
				if len(a.Hosts) == 0 || wanted != delivered && len(mx.Messages()) > 0 {
					t.Errorf("%s: %+v, %d messages", host, a.Hosts, len(mx.Messages()))
				}
				if applies := tt.finding.Applies && len(a.Hosts) > 0 && len(tt.values) == 0; applies {
					e := a.Hosts[0].Evidence
					if e != nil && (e.Published == nil || e.Published.MTASTSPolicy == nil || e.Published.MTASTSPolicy.ID != "1") {
						t.Errorf("%s: the evidence does not show the policy: %+v", host, e)
					}
				}
			}
		})
	}
}

const (
	unlisted = "deferred policy 450 4.7.5"
	waits    = "deferred policy 450 4.4.3"
)

// TestMTASTSSkipsHosts is RFC 8461 §5: hosts that the policy does not list are skipped,
// and the next one serves.
func TestMTASTSSkipsHosts(t *testing.T) {
	r, asked := newPolicyRig(t, inForce(mtasts.ModeEnforce, "*.example.com"))
	first := smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "mx.example.net").TLS})
	second := smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "mx.example.com").TLS})
	r.domain("example.com", "mx.example.net", "mx.example.com")
	r.host("mx.example.net", "192.0.2.1", first)
	r.host("mx.example.com", "192.0.2.2", second)
	a := r.send("b@example.com")
	want(t, a, delivered)
	if first.Connections() != 0 || len(second.Messages()) != 1 || len(asked.asked) != 1 {
		t.Errorf("%d connections to the first, %d messages to the second, asked for %v", first.Connections(), len(second.Messages()), asked.asked)
	}
	if a.Hosts[0].Result != "the MTA-STS policy does not list the host" || !a.TLS.Verified {
		t.Errorf("hosts %+v, TLS %+v", a.Hosts, a.TLS)
	}
	e := r.Explain(t.Context(), "example.com")
	if e.MTASTS == nil || !e.MTASTS.Applies || e.Candidates[0].Decision.Refused == nil || e.Candidates[1].Decision.Refused != nil {
		t.Errorf("explained %+v", e)
	}
	v, err := NewVerifier(r.Deliverer).Verify(t.Context(), probe.Question{Domain: "example.com"})
	if err != nil || v.ReadyAt != "192.0.2.2:25" || v.Candidates[0].Outcome == nil {
		t.Errorf("verified %+v, %v", v, err)
	}
}

// TestMTASTSPerDomain shows that one domain's broken policy touches no other on the
// same host: by MX, and by one route that serves both.
func TestMTASTSPerDomain(t *testing.T) {
	shared := route(t, ".example", "mx.example.com")
	shared.PolicyDomain = true
	for name, values := range map[string][]config.Value{"by MX": nil, "by route": {shared}} {
		t.Run(name, func(t *testing.T) {
			r, asked := newPolicyRig(t, mtasts.Finding{}, values...)
			mx := r.simple(smtptest.MXOptions{})
			r.domain("good.example", "mx.example.com")
			r.domain("bad.example", "mx.example.com")
			asked.by["good.example"] = inForce(mtasts.ModeEnforce, "mx.example.com")
			asked.by["bad.example"] = inForce(mtasts.ModeEnforce, "gone.bad.example")
			m := mail(t, body, "a@bad.example", "b@good.example")
			groups := r.Group(m, []int{0, 1})
			if len(groups) != 2 {
				t.Fatalf("groups %v", groups)
			}
			want(t, r.Deliver(t.Context(), m, groups[0]), unlisted)
			want(t, r.Deliver(t.Context(), m, groups[1]), delivered)
			conforms(t, mx)
		})
	}
}

// TestMTASTSVouches is B56: a policy of either mode that lists the host is what
// REQUIRETLS asks for; none at all bounces.
func TestMTASTSVouches(t *testing.T) {
	const refused = "bounced policy 550 5.7.10"
	for name, tt := range map[string]struct {
		finding mtasts.Finding
		want    string
	}{
		"enforce":     {inForce(mtasts.ModeEnforce, "mx.example.com"), delivered},
		"testing":     {inForce(mtasts.ModeTesting, "mx.example.com"), delivered},
		"not listed":  {inForce(mtasts.ModeTesting, "mx.example.net"), refused},
		"none":        {inForce(mtasts.ModeNone, "mx.example.com"), refused},
		"no policy":   {mtasts.Finding{}, refused},
		"unknown yet": {mtasts.Finding{Unknown: true}, waits},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newPolicyRig(t, tt.finding)
			r.simple(smtptest.MXOptions{TLSKeywords: []string{"REQUIRETLS"}})
			m := mail(t, body, "b@example.com")
			m.RequireTLS = true
			want(t, r.deliver(m), tt.want)
		})
	}
}
