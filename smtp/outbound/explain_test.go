package outbound

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dns"
)

// order lists the candidates of an explanation: preference, host, address.
func order(e probe.Destination) []string {
	var list []string
	for _, c := range e.Candidates {
		resting := ""
		if c.Resting {
			resting = " resting"
		}
		list = append(list, fmt.Sprintf("%d %s %s%s%s", c.Preference, c.Host, c.Address, c.Problem, resting))
	}
	return list
}

func TestExplainShowsTheEvidence(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	pattern, err := mailaddr.ParseEndpointPattern("mx.example.com")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, control(t, ".com", policy.TLSPreferred),
		requirement{policy.STARTTLSEntry{Pattern: pattern, Reason: "contract", Expires: &expires}})
	r.domain("example.com", "mx.example.com", "none.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	e := r.Explain(t.Context(), "example.com")
	if diff := cmp.Diff([]string{"1 mx.example.com 192.0.2.1:25", "2 none.example.com host none.example.com has no address"}, order(e)); diff != "" {
		t.Error(diff)
	}
	mx := &probe.MX{Records: []probe.MXRecord{{Preference: 10, Host: "mx.example.com"}, {Preference: 20, Host: "none.example.com"}}}
	if diff := cmp.Diff(mx, e.MX); diff != "" || e.Route != nil || !e.TLS.Enabled {
		t.Errorf("%s %+v", diff, e)
	}
	if e.Control.TLSLevel == nil || *e.Control.TLSLevel != policy.TLSPreferred || len(e.Origins) == 0 {
		t.Errorf("control %+v, origins %+v", e.Control, e.Origins)
	}
	for _, reason := range e.Candidates[0].Decision.Reasons {
		if reason.Rule == "starttls_requirement" && (reason.Because != "contract" || !reason.Expires.Equal(expires)) {
			t.Errorf("%+v", reason)
		}
	}
	if n := len(r.network.calls()); n > 0 {
		t.Errorf("explain connected %d times", n)
	}
}

func TestExplainMXEvidence(t *testing.T) {
	r := newRig(t)
	r.resolver.mx["null.test"] = dns.MXResult{Null: true}
	r.resolver.mx["implicit.test"] = dns.MXResult{Answer: dns.Answer{Class: dns.NoData}}
	r.resolver.mx["secure.test"] = dns.MXResult{Answer: dns.Answer{Class: dns.Secure, Authenticated: true}}
	r.resolver.fail = append(r.resolver.fail, "bogus.test")
	for name, want := range map[mailaddr.DomainName]probe.MX{
		"null.test":     {Null: true},
		"implicit.test": {Implicit: true},
		"secure.test":   {Authenticated: true},
		"none.test":     {Problem: "the domain does not exist"},
		"bogus.test":    {Problem: "look up MX of bogus.test: bogus: input/output error"},
	} {
		if diff := cmp.Diff(&want, r.Explain(t.Context(), name).MX); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// B33: what was out of reach lately comes last, whatever its preference.
func TestExplainFollowsTheOrderOfTrial(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "a.example.com", "b.example.com")
	r.host("a.example.com", "192.0.2.1", nil)
	r.host("b.example.com", "192.0.2.2", nil)
	r.resting.note(netip.MustParseAddrPort("192.0.2.1:25"), &failure{stage: delivery.StageConnect, class: unreachable})
	want := []string{"2 b.example.com 192.0.2.2:25", "1 a.example.com 192.0.2.1:25 resting"}
	if diff := cmp.Diff(want, order(r.Explain(t.Context(), "example.com"))); diff != "" {
		t.Error(diff)
	}
}

// B31: mail is thrown away only after every host, resting ones too, and what
// stands behind that is never tried.
func TestExplainDiscardsLast(t *testing.T) {
	to := route(t, "example.com", "192.0.2.1", "192.0.2.2")
	to.NextHops = append(to.NextHops, policy.NextHop{Discard: true, Priority: 5}, policy.NextHop{Host: "192.0.2.3", Priority: 9})
	r := newRig(t, to)
	r.resting.note(netip.MustParseAddrPort("192.0.2.1:25"), &failure{stage: delivery.StageConnect, class: unreachable})
	want := []string{
		"2 192.0.2.2 192.0.2.2:25", "1 192.0.2.1 192.0.2.1:25 resting", "3 /dev/null the route discards the mail here",
	}
	if diff := cmp.Diff(want, order(r.Explain(t.Context(), "example.com"))); diff != "" {
		t.Error(diff)
	}
}

// B33: what leads back to us is left out, with all that is not better, and is
// named.
func TestExplainSaysWhatLeadsBack(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "a.example.com", "us.example.com", "c.example.com")
	r.host("a.example.com", "192.0.2.1", nil)
	r.host("us.example.com", "192.0.2.250", nil) // OwnAddresses
	r.host("c.example.com", "192.0.2.3", nil)
	e := r.Explain(t.Context(), "example.com")
	if got := order(e); len(got) != 1 || e.Outcome != nil {
		t.Errorf("%q, %v", got, e.Outcome)
	}
	const want = "us.example.com at 192.0.2.250 is this system: it and what has no better preference is left out"
	if e.LeftOut != want {
		t.Errorf("left out: %q", e.LeftOut)
	}
	r.domain("example.com", "us.example.com")
	if e := r.Explain(t.Context(), "example.com"); e.Outcome == nil || e.Outcome.Enhanced != "5.4.6" || len(e.Candidates) != 0 {
		t.Errorf("%+v", e)
	}
}

// A flagged recipient is explained apart from the others of its domain (B55).
func TestExplainFlaggedRecipient(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	m := mail(t, body, "a@example.com", "b@example.com")
	m.Recipients[1].RequireTLS = true
	var got []string
	for _, g := range r.ExplainMessage(t.Context(), m) {
		d := g.Destination.Candidates[0].Decision
		got = append(got, fmt.Sprintf("%v requiretls=%t refused=%t", g.Recipients, d.RequireTLS, d.Refused != nil))
	}
	if diff := cmp.Diff([]string{"[0] requiretls=false refused=false", "[1] requiretls=true refused=true"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestExplainMessage(t *testing.T) {
	r := newRig(t, route(t, ".routed.test", "192.0.2.9"))
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	m := mail(t, body, "a@example.com", "b@x.routed.test", "c@example.com", "d@[192.0.2.7]", "e@y.routed.test", "f@example.com")
	m.Recipients[5].State = delivery.RecipientDelivered
	m.RequireTLS = true
	var got []string
	for _, g := range r.ExplainMessage(t.Context(), m) {
		c := g.Destination.Candidates[0]
		refused := "used"
		if c.Decision.Refused != nil {
			refused = c.Decision.Refused.Code
		}
		got = append(got, fmt.Sprintf("%v %s %s %s", g.Recipients, g.Destination.Domain, c.Address, refused))
	}
	// REQUIRETLS: nobody vouches for hosts that are in no route (B56).
	want := []string{
		"[0 2] example.com 192.0.2.1:25 5.7.10", "[1 4] x.routed.test 192.0.2.9:25 used", "[3] [192.0.2.7] 192.0.2.7:25 5.7.10",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A commit in the middle of an explanation does not split it: all of it is of one
// revision.
func TestExplainMessageIsOfOneRevision(t *testing.T) {
	r := newRig(t)
	current, asked := r.Deliverer.Snapshot, int64(0)
	r.Deliverer.Snapshot = func() *config.Snapshot {
		newer := *current()
		asked++
		newer.Revision += asked
		return &newer
	}
	revisions := map[int64]bool{}
	for _, g := range r.ExplainMessage(t.Context(), mail(t, body, "a@one.test", "b@two.test", "c@three.test")) {
		revisions[g.Destination.Revision] = true
	}
	if len(revisions) != 1 {
		t.Errorf("explained by %d revisions", len(revisions))
	}
}

func TestExplainMessageIsBounded(t *testing.T) {
	r := newRig(t)
	var recipients []string
	for i := range maxExplained + 2 {
		recipients = append(recipients, fmt.Sprintf("a@d%d.test", i))
	}
	groups := r.ExplainMessage(t.Context(), mail(t, body, recipients...))
	if len(groups) != maxExplained+2 || groups[maxExplained-1].Destination == nil || groups[maxExplained].Destination != nil {
		t.Errorf("%d groups", len(groups))
	}
}
