package outbound

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/smtptest"
)

// smarthost is a server profile whose URIs lead to relay.example, that the
// change makes another one.
func smarthost(encryption policy.TransportEncryption, changes ...func(*policy.ServerProfile)) policy.ServerProfile {
	p := policy.ServerProfile{
		Name: "smarthost", Type: policy.ServerSMTP, URIs: []string{"smtp://relay.example"}, TransportEncryption: encryption,
	}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func unverifying(p *policy.ServerProfile) { p.Verify = new(bool) }

func implicit(p *policy.ServerProfile) {
	p.URIs, p.TransportEncryption = []string{"smtps://relay.example"}, ""
}

// routeToProfile leads example.com to server profiles, by turns.
func routeToProfile(t *testing.T, names ...string) policy.Route {
	t.Helper()
	r := route(t, "example.com")
	for _, name := range names {
		r.NextHops = append(r.NextHops, policy.NextHop{ServerProfile: name})
	}
	return r
}

// relay puts a mail exchanger behind relay.example, on the ports of both
// schemes.
func (r *rig) relay(options smtptest.MXOptions) *smtptest.MX {
	r.t.Helper()
	if options.Certificate.Certificate == nil {
		options.Certificate = r.ca.IssueFor(r.t, "relay.example").TLS
	}
	mx := smtptest.NewMX(r.t, options)
	r.host("relay.example", "192.0.2.7", mx)
	r.network.peers["192.0.2.7:465"] = mx.Addr()
	return mx
}

// TestServerProfileTLS is B32: what becomes of mail to every kind of peer under
// every transport encryption, with and without verification.
func TestServerProfileTLS(t *testing.T) {
	own := smtptest.Leaf{Names: []string{"relay.example"}}
	peers := []peer{
		{"good", certified(own)},
		{"certificate of the recipient domain", certified(smtptest.Leaf{Names: []string{"example.com"}})},
		{"expired", certified(smtptest.Leaf{Names: own.Names, Validity: smtptest.Expired})},
		{"self-signed", func(r *rig) smtptest.MXOptions {
			return smtptest.MXOptions{Certificate: smtptest.SelfSigned(r.t, own).TLS}
		}},
		{"not offered", starttls(smtptest.StartTLSHidden)},
		{"refused", starttls(smtptest.StartTLSRefused)},
		{"closed after 220", starttls(smtptest.StartTLSClosed)},
		{"injected after 220", starttls(smtptest.StartTLSInjected)},
		{"TLS 1.1 only", func(*rig) smtptest.MXOptions { return smtptest.MXOptions{MaxTLS: tls.VersionTLS11} }},
	}
	tests := []struct {
		name    string
		profile policy.ServerProfile
		want    []string
	}{
		{
			"none", smarthost(policy.TransportNone),
			[]string{"clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear"},
		},
		{
			"optional", smarthost(policy.TransportSTARTTLSOptional),
			[]string{"verified", "clear", "clear", "clear", "clear", "clear", "clear", "deferred 4.7.5", "clear"},
		},
		{
			"optional, not verified", smarthost(policy.TransportSTARTTLSOptional, unverifying),
			[]string{"verified", "encrypted", "encrypted", "encrypted", "clear", "clear", "clear", "deferred 4.7.5", "clear"},
		},
		{
			"required", smarthost(policy.TransportSTARTTLSRequired),
			[]string{"verified", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.4", "deferred 4.7.4", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5"},
		},
		{
			"required, not verified", smarthost(policy.TransportSTARTTLSRequired, unverifying),
			[]string{"verified", "encrypted", "encrypted", "encrypted", "deferred 4.7.4", "deferred 4.7.4", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5"},
		},
	}
	for _, tt := range tests {
		for i, p := range peers {
			t.Run(tt.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, tt.profile, routeToProfile(t, "smarthost"))
				mx := r.relay(p.options(r))
				a := r.send("b@example.com")
				if got := fate(a); got != tt.want[i] {
					t.Errorf("got %s (%s), want %s", got, a.Results[0].Outcome, tt.want[i])
				}
				checkFate(t, a, mx)
				if len(r.OneHour.List()) > 0 {
					t.Error("a server profile filled the one-hour list (B24 is for other peers)")
				}
			})
		}
	}
}

// A stricter destination control wins over an optional profile (B27).
func TestServerProfileUnderAStricterControl(t *testing.T) {
	r := newRig(t, smarthost(policy.TransportSTARTTLSOptional), routeToProfile(t, "smarthost"), control(t, "example.com", policy.TLSRequired))
	mx := r.relay(smtptest.MXOptions{Certificate: smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"relay.example"}}).TLS})
	want(t, r.send("b@example.com"), "deferred verify 450 4.7.5")
	if len(mx.Messages()) > 0 {
		t.Error("the message went out")
	}
}

// TestImplicitTLS is B32 with smtps: TLS before the greeting, or nothing.
func TestImplicitTLS(t *testing.T) {
	tests := []struct {
		name    string
		changes []func(*policy.ServerProfile)
		options func(*rig) smtptest.MXOptions
		want    string
	}{
		{"good", nil, func(*rig) smtptest.MXOptions { return smtptest.MXOptions{ImplicitTLS: true} }, "verified"},
		{"untrusted", nil, func(r *rig) smtptest.MXOptions {
			return smtptest.MXOptions{ImplicitTLS: true, Certificate: smtptest.SelfSigned(r.t, smtptest.Leaf{Names: []string{"relay.example"}}).TLS}
		}, "deferred 4.7.5"},
		{"untrusted and allowed", []func(*policy.ServerProfile){unverifying}, func(r *rig) smtptest.MXOptions {
			return smtptest.MXOptions{ImplicitTLS: true, Certificate: smtptest.SelfSigned(r.t, smtptest.Leaf{Names: []string{"relay.example"}}).TLS}
		}, "encrypted"},
		{"a peer in clear", nil, func(*rig) smtptest.MXOptions { return smtptest.MXOptions{} }, "deferred 4.7.5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, smarthost("", append(tt.changes, implicit)...), routeToProfile(t, "smarthost"))
			mx := r.relay(tt.options(r))
			a := r.send("b@example.com")
			if got := fate(a); got != tt.want {
				t.Errorf("got %s (%s), want %s", got, a.Results[0].Outcome, tt.want)
			}
			if slices.Contains(said(mx, 1), "STARTTLS") {
				t.Error("STARTTLS was said on a port of implicit TLS")
			}
			if calls := r.network.calls(); calls[0] != "192.0.2.7:465" {
				t.Errorf("dialled %q", calls)
			}
		})
	}
}

// Our certificate is shown to the peers of a profile only where that says so.
func TestClientCertificateOfAProfile(t *testing.T) {
	for _, shown := range []bool{false, true} {
		p := smarthost(policy.TransportSTARTTLSRequired, func(p *policy.ServerProfile) { p.ClientCertificate = shown })
		r := newRig(t, p, routeToProfile(t, "smarthost"))
		own := r.ca.IssueFor(t, "client.test").TLS
		r.ClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		mx := r.relay(smtptest.MXOptions{})
		want(t, r.send("b@example.com"), delivered)
		if got := len(mx.Messages()[0].TLS.PeerCertificates) > 0; got != shown {
			t.Errorf("client_certificate %t: shown %t", shown, got)
		}
	}
}

// Connections of one profile serve no other, nor mail without one (B29).
func TestConnectionsOfAProfileAreItsOwn(t *testing.T) {
	first := smarthost(policy.TransportSTARTTLSRequired)
	second := smarthost(policy.TransportSTARTTLSRequired, withCredentials)
	second.Name = "second"
	other := route(t, "other.test")
	other.NextHops = []policy.NextHop{{ServerProfile: "second"}}
	r := newRig(t, first, second, routeToProfile(t, "smarthost"), other, route(t, "plain.test", "relay.example"))
	mx := r.relay(smtptest.MXOptions{Auth: smtptest.Auth{Mechanisms: "PLAIN", Username: "postern", Password: password}})
	for _, domain := range []string{"example.com", "other.test", "plain.test", "example.com", "other.test"} {
		want(t, r.send("b@"+domain), delivered)
	}
	var users []string
	for _, m := range mx.Messages() {
		users = append(users, fmt.Sprintf("%d:%s", m.Connection, m.User))
	}
	if diff := cmp.Diff([]string{"1:", "2:postern", "3:", "1:", "2:postern"}, users); diff != "" {
		t.Error(diff)
	}
}

// TestServerProfileOrder is B31 and B32: failover in order, round robin by turns,
// and never MX.
func TestServerProfileOrder(t *testing.T) {
	uris := func(preference policy.ServerPreference) policy.ServerProfile {
		return smarthost(policy.TransportNone, func(p *policy.ServerProfile) {
			p.URIs, p.Preference = []string{"smtp://192.0.2.1", "smtp://192.0.2.2", "smtp://192.0.2.3:2525"}, preference
		})
	}
	r := newRig(t, uris(policy.PreferFailover), routeToProfile(t, "smarthost"))
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.9", smtptest.NewMX(t, smtptest.MXOptions{}))
	want(t, r.send("b@example.com"), "deferred connect 451 4.4.1")
	if diff := cmp.Diff([]string{"192.0.2.1:25", "192.0.2.2:25", "192.0.2.3:2525"}, r.network.calls()); diff != "" {
		t.Error(diff)
	}

	p := uris(policy.PreferRoundRobin)
	first := map[string]bool{}
	for range 100 {
		tiers := hopsOfProfile(&p)
		if len(tiers) != 1 {
			t.Fatalf("%d tiers", len(tiers))
		}
		first[bounded(tiers, maxHops)[0][0].String()] = true
	}
	if len(first) != 3 {
		t.Errorf("round robin began with %v only", first)
	}
}

// TestProfileTest is B32: the staged live test, which sends no mail, leaves
// nothing behind and shows no credentials.
func TestProfileTest(t *testing.T) {
	r := newRig(t, smarthost(policy.TransportSTARTTLSRequired, withCredentials, func(p *policy.ServerProfile) {
		p.URIs = append(p.URIs, "smtp://nowhere.example", "smtp://192.0.2.66")
	}))
	mx := r.relay(smtptest.MXOptions{Auth: smtptest.Auth{Mechanisms: "PLAIN", Username: "postern", Password: password}})
	got, err := NewVerifier(r.Deliverer).Verify(t.Context(), probe.Question{ServerProfile: "smarthost"})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range got.Candidates {
		line := fmt.Sprintf("%s by %s at %s: %s", c.Host, c.ServerProfile, c.Address, probe.VerdictOf(c.Outcome))
		for _, connection := range c.Connections {
			for _, step := range connection.Steps {
				line += fmt.Sprintf(" %s=%t", step.Name, step.OK)
			}
			line += " " + string(connection.FailedAt)
		}
		lines = append(lines, line)
	}
	want := []string{
		"relay.example by smarthost at 192.0.2.7:25: deliverable connect=true greeting=true EHLO=true STARTTLS=true handshake=true verify=true EHLO=true AUTH=true QUIT=true ",
		"nowhere.example by smarthost at : bounced",
		"192.0.2.66 by smarthost at 192.0.2.66:25: deferred connect=false connect",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if got.ReadyAt != "192.0.2.7:25" || slices.Contains(said(mx, 1), "MAIL") || r.IdleConnections() > 0 || len(r.resting.peers) > 0 {
		t.Errorf("ready at %q, the peer saw %v, %d idle, %d resting", got.ReadyAt, said(mx, 1), r.IdleConnections(), len(r.resting.peers))
	}
	if strings.Contains(fmt.Sprintf("%+v", got), "AHBvc3Rlcm4A") {
		t.Error("the test shows the credentials")
	}
	if _, err := NewVerifier(r.Deliverer).Verify(t.Context(), probe.Question{ServerProfile: "nothing"}); domain.KindOf(err) != domain.NotFound {
		t.Errorf("unknown profile: %v", err)
	}
}

// Without a recipient domain the server is held to the name of its URI, whatever
// the default destination control asks for; and still not to less (B32).
func TestProfileTestWithoutADomain(t *testing.T) {
	for _, level := range []policy.TLSLevel{policy.TLSPreferredVerify, policy.TLSRequiredVerify, policy.TLSRequiredVerifyHosted} {
		for name, changes := range map[string][]func(*policy.ServerProfile){"profile": nil, "profile without verify": {unverifying}} {
			for cn, foretold := range map[string]string{"relay.example": "ready", "other.example": "deferred 4.7.5"} {
				if name != "profile" && level == policy.TLSPreferredVerify {
					continue // nothing has to be verified
				}
				r := newRig(t, control(t, "default", level), smarthost(policy.TransportSTARTTLSRequired, changes...))
				r.relay(certified(smtptest.Leaf{Names: []string{cn}})(r))
				got, err := NewVerifier(r.Deliverer).Verify(t.Context(), probe.Question{ServerProfile: "smarthost"})
				if err != nil {
					t.Fatal(err)
				}
				if verdict(got) != foretold {
					t.Errorf("%s, %s, certificate of %s: %s", level, name, cn, verdict(got))
				}
				if c := got.Candidates[0].Decision; !slices.Equal(c.Checks, []policy.Check{policy.CheckMXHost}) {
					t.Errorf("%s, %s: checked for %v", level, name, c.Checks)
				}
			}
		}
	}
}

// The test climbs down the same ladder as a delivery, and shows a refusal.
func TestProfileTestShowsWhatFails(t *testing.T) {
	r := newRig(t, smarthost(policy.TransportSTARTTLSOptional, withCredentials))
	r.relay(smtptest.MXOptions{StartTLS: smtptest.StartTLSBroken, Auth: smtptest.Auth{Mechanisms: "PLAIN"}})
	got, err := NewVerifier(r.Deliverer).Verify(t.Context(), probe.Question{ServerProfile: "smarthost"})
	if err != nil {
		t.Fatal(err)
	}
	var rungs []string
	for _, c := range got.Candidates[0].Connections {
		rungs = append(rungs, fmt.Sprintf("%s small=%t failed at %s", c.Level, c.SmallClientHello, c.FailedAt))
	}
	want := []string{"preferred small=false failed at starttls", "preferred small=true failed at starttls", "none small=false failed at auth"}
	if diff := cmp.Diff(want, rungs); diff != "" {
		t.Error(diff)
	}
	if got.Outcome == nil || got.Outcome.Enhanced != "4.7.11" {
		t.Errorf("outcome %v", got.Outcome)
	}
}

// A discarding route is shown as what it is, and takes the mail.
func TestVerifyOfADiscardingRoute(t *testing.T) {
	to := route(t, "example.com")
	to.NextHops = []policy.NextHop{{Discard: true}}
	r := newRig(t, to)
	got, err := NewVerifier(r.Deliverer).Verify(t.Context(), probe.Question{Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if got.ReadyAt != "/dev/null" || len(got.Candidates) != 1 || got.Candidates[0].Problem == "" {
		t.Errorf("got %+v", got)
	}
}

// TestRouteToDNSAndNowhere is B31 with USEDNS and /dev/null.
func TestRouteToDNSAndNowhere(t *testing.T) {
	useDNS, discard := policy.NextHop{UseDNS: true, Priority: 5}, policy.NextHop{Discard: true, Priority: 9}
	tests := []struct {
		name    string
		hops    []policy.NextHop
		nullMX  bool
		want    string
		host    string
		dialled []string
	}{
		{"DNS alone", []policy.NextHop{useDNS}, false, delivered, "mx.example.com", []string{"192.0.2.1:25"}},
		{"DNS after a dead host", []policy.NextHop{{Host: "192.0.2.66"}, useDNS}, false, delivered, "mx.example.com", []string{"192.0.2.66:25", "192.0.2.1:25"}},
		{"null MX", []policy.NextHop{useDNS}, true, "bounced route 556 5.1.10", "", nil},
		{"null MX after a dead host waits", []policy.NextHop{{Host: "192.0.2.66"}, useDNS}, true, "deferred connect 451 4.4.1", "192.0.2.66", []string{"192.0.2.66:25"}},
		{"discard", []policy.NextHop{discard}, false, "delivered route 250 2.0.0", "/dev/null", nil},
		{"discard after a dead host", []policy.NextHop{{Host: "192.0.2.66"}, discard}, false, "delivered route 250 2.0.0", "/dev/null", []string{"192.0.2.66:25"}},
		{"a living host before discard", []policy.NextHop{{Host: "mx.example.com"}, discard}, false, delivered, "mx.example.com", []string{"192.0.2.1:25"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := route(t, "example.com")
			to.NextHops = tt.hops
			r := newRig(t, to)
			r.simple(smtptest.MXOptions{})
			if tt.nullMX {
				result := r.resolver.mx["example.com"]
				result.Null = true
				r.resolver.mx["example.com"] = result
			}
			a := r.send("b@example.com")
			want(t, a, tt.want)
			if a.Host != tt.host {
				t.Errorf("host %q, want %q", a.Host, tt.host)
			}
			if diff := cmp.Diff(tt.dialled, r.network.calls()); diff != "" {
				t.Error(diff)
			}
			if tt.host == "/dev/null" && a.Results[0].Outcome.Text != "discarded by route" {
				t.Errorf("text %q", a.Results[0].Outcome.Text)
			}
		})
	}
}

// A host that rests is tried once more before anything is thrown away.
func TestDiscardWaitsForRestingHosts(t *testing.T) {
	to := route(t, "example.com", "mx.example.com")
	to.NextHops = append(to.NextHops, policy.NextHop{Discard: true, Priority: 9})
	r := newRig(t, to)
	mx := r.simple(smtptest.MXOptions{})
	r.resting.prolong(r.resolvedAddr("mx.example.com"))
	want(t, r.send("b@example.com"), delivered)
	mx.WaitMessages(t, 1)
}

// MTA-STS and DANE are about MX hosts: they stay in force by USEDNS and are out
// of it by other next hops (B31).
func TestUseDNSIsNotRouted(t *testing.T) {
	to := route(t, "example.com", "192.0.2.66")
	r := newRig(t, to)
	byMX := inputsFor(r.Snapshot(), "example.com", hop{byMX: true}, mustAddr("192.0.2.1"), r.Now())
	byRoute := inputsFor(r.Snapshot(), "example.com", hop{}, mustAddr("192.0.2.66"), r.Now())
	if byMX.Routed || !byRoute.Routed {
		t.Errorf("by MX routed=%t, by route routed=%t", byMX.Routed, byRoute.Routed)
	}
}
