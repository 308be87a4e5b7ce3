package outbound

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// peer is a kind of mail exchanger as far as TLS goes.
type peer struct {
	name    string
	options func(r *rig) smtptest.MXOptions
}

func starttls(s smtptest.StartTLS) func(*rig) smtptest.MXOptions {
	return func(*rig) smtptest.MXOptions { return smtptest.MXOptions{StartTLS: s} }
}

func certified(leaf smtptest.Leaf) func(*rig) smtptest.MXOptions {
	return func(r *rig) smtptest.MXOptions {
		return smtptest.MXOptions{Certificate: r.ca.Issue(r.t, leaf).TLS}
	}
}

// tlsPeers are the kinds of peers that deliveries are tried on.
func tlsPeers() []peer {
	mxOnly := smtptest.Leaf{Names: []string{"mx.example.com"}}
	both := smtptest.Leaf{Names: []string{"mx.example.com", "example.com"}}
	return []peer{
		{"domain and host certificate", certified(both)},
		{"host certificate", certified(mxOnly)},
		{"other name", certified(smtptest.Leaf{Names: []string{"other.test"}})},
		{"expired", certified(smtptest.Leaf{Names: both.Names, Validity: smtptest.Expired})},
		{"self-signed", func(r *rig) smtptest.MXOptions {
			return smtptest.MXOptions{Certificate: smtptest.SelfSigned(r.t, both).TLS}
		}},
		{"not offered", starttls(smtptest.StartTLSHidden)},
		{"refused", starttls(smtptest.StartTLSRefused)},
		{"closed after 220", starttls(smtptest.StartTLSClosed)},
		{"garbage after 220", starttls(smtptest.StartTLSGarbage)},
		{"injected after 220", starttls(smtptest.StartTLSInjected)},
		{"aborted after the handshake", starttls(smtptest.StartTLSAborted)},
		{"TLS 1.1 only", func(*rig) smtptest.MXOptions { return smtptest.MXOptions{MaxTLS: tls.VersionTLS11} }},
	}
}

// TestLevels sends to every kind of peer under every level (B22, B23, B28): what
// becomes of the message, and whether it went encrypted, verified or in clear.
func TestLevels(t *testing.T) {
	peers := tlsPeers()
	want := map[policy.TLSLevel][]string{
		policy.TLSNone: {
			"clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear", "clear",
		},
		policy.TLSPreferred: {
			"verified", "verified", "encrypted", "encrypted", "encrypted", "clear", "clear",
			"deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.4.2", "deferred 4.7.5",
		},
		policy.TLSPreferredVerify: {
			"verified", "encrypted", "encrypted", "encrypted", "encrypted", "clear", "clear",
			"deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.4.2", "deferred 4.7.5",
		},
		policy.TLSRequired: {
			"verified", "verified", "encrypted", "encrypted", "encrypted", "deferred 4.7.4", "deferred 4.7.4",
			"deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.4.2", "deferred 4.7.5",
		},
		policy.TLSRequiredVerify: {
			"verified", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.4", "deferred 4.7.4",
			"deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5",
		},
		policy.TLSRequiredVerifyHosted: {
			"verified", "verified", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.4", "deferred 4.7.4",
			"deferred 4.7.5", "deferred 4.7.5", "deferred 4.7.5", "deferred 4.4.2", "deferred 4.7.5",
		},
	}
	for level, outcomes := range want {
		for i, p := range peers {
			t.Run(fmt.Sprintf("%s/%s", level, p.name), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, control(t, "example.com", level))
				mx := r.simple(p.options(r))
				a := r.send("b@example.com")
				if got := fate(a); got != outcomes[i] {
					t.Errorf("got %s (%s), want %s", got, a.Results[0].Outcome, outcomes[i])
				}
				checkFate(t, a, mx)
			})
		}
	}
}

// fate says in short what became of the message to the only recipient.
func fate(a delivery.Attempt) string {
	o := a.Results[0].Outcome
	switch {
	case o.Status != delivery.Delivered:
		return o.Status.String() + " " + o.Enhanced
	case a.TLS.Verified:
		return "verified"
	case a.TLS.Encrypted():
		return "encrypted"
	}
	return "clear"
}

// checkFate holds the record against what the peer saw.
func checkFate(t *testing.T, a delivery.Attempt, mx *smtptest.MX) {
	t.Helper()
	conforms(t, mx)
	got := mx.Messages()
	if delivered := a.Results[0].Outcome.Status == delivery.Delivered; delivered != (len(got) == 1) {
		t.Fatalf("the peer has %d messages", len(got))
	}
	if len(got) == 1 && a.TLS.Encrypted() != (got[0].TLS != nil) {
		t.Errorf("recorded %+v, the peer saw %v", a.TLS, got[0].TLS)
	}
	if a.TLS.Encrypted() && a.TLS.Verification == "" {
		t.Error("no verification result is recorded")
	}
	if a.Decision.Mandatory() {
		for _, c := range mx.Commands() {
			if c.Stage == "MAIL" && !c.TLS {
				t.Error("MAIL went in clear although TLS is mandatory")
			}
		}
	}
}

// TestOneHour is B24 from end to end.
func TestOneHour(t *testing.T) {
	granted := policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: tls.VersionTLS12}
	r := newRig(t, granted, control(t, "example.com", policy.TLSPreferred))
	mx := r.simple(smtptest.MXOptions{StartTLS: smtptest.StartTLSBroken})

	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.TLS.Encrypted() || mx.Connections() != 3 || len(a.Hosts) != 3 {
		t.Errorf("%d connections, recorded %+v", mx.Connections(), a.Hosts)
	}
	if got := a.Hosts[2].Level; got != policy.TLSNone {
		t.Errorf("the last try was at level %s", got)
	}
	list := r.OneHour.List()
	if len(list) != 1 || list[0].Addr != netip.MustParseAddr("192.0.2.1") || list[0].Host != "mx.example.com" || list[0].Reason == "" {
		t.Fatalf("listed %+v", list)
	}

	// While it is listed, STARTTLS is skipped, also on the connection kept.
	r.CloseIdle()
	want(t, r.send("b@example.com"), delivered)
	if got := said(mx, 4); slices.Contains(got, "STARTTLS") || len(got) == 0 {
		t.Errorf("said %q", got)
	}

	// Mended, and the hour is over: TLS again, although a clear connection is
	// still open.
	mx.Update(func(o *smtptest.MXOptions) { o.StartTLS = smtptest.StartTLSWorks })
	r.clock.Advance(time.Hour)
	a = r.send("b@example.com")
	want(t, a, delivered)
	if !a.TLS.Encrypted() {
		t.Error("still in clear after the hour")
	}
}

// TestOneHourNeverForMandatory shows that the list means nothing where TLS is
// mandatory, and that nothing gets on it.
func TestOneHourNeverForMandatory(t *testing.T) {
	granted := policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: tls.VersionTLS12}
	r := newRig(t, granted, control(t, "example.com", policy.TLSRequired))
	mx := r.simple(smtptest.MXOptions{StartTLS: smtptest.StartTLSBroken})
	r.OneHour.Add(netip.MustParseAddr("192.0.2.1"), "mx.example.com", "for another domain")
	want(t, r.send("b@example.com"), "deferred starttls 450 4.7.5")
	if mx.Connections() != 2 {
		t.Errorf("%d connections", mx.Connections())
	}
	mx.Update(func(o *smtptest.MXOptions) { o.StartTLS = smtptest.StartTLSWorks })
	a := r.send("b@example.com")
	want(t, a, delivered)
	if !a.TLS.Encrypted() {
		t.Error("delivered in clear although TLS is mandatory")
	}
}

// TestMandatoryTriesTheNextHost is B28.
func TestMandatoryTriesTheNextHost(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequiredVerifyHosted))
	r.domain("example.com", "a.example.com", "b.example.com", "c.example.com")
	hidden := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	wrong := smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "other.test").TLS})
	good := smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "c.example.com").TLS})
	r.host("a.example.com", "192.0.2.1", hidden)
	r.host("b.example.com", "192.0.2.2", wrong)
	r.host("c.example.com", "192.0.2.3", good)
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.Host != "c.example.com" || a.Address != "192.0.2.3:25" || a.TLS.Verification != "verified as c.example.com" {
		t.Errorf("recorded %+v", a)
	}
	if a.Hosts[1].Stage != delivery.StageVerify || !strings.Contains(a.Hosts[1].TLS.Verification, "name_mismatch") {
		t.Errorf("recorded %+v", a.Hosts[1])
	}
	conforms(t, hidden, wrong, good)
}

// TestMostTelling picks the finding that explains the deferral: TLS failed at
// the one host that could be reached.
func TestMostTelling(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequired))
	r.domain("example.com", "a.example.com", "b.example.com")
	r.host("a.example.com", "192.0.2.1", smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}))
	r.host("b.example.com", "192.0.2.2", nil)
	a := r.send("b@example.com")
	want(t, a, "deferred starttls 450 4.7.4")
	if a.Host != "a.example.com" {
		t.Errorf("the record is about %s", a.Host)
	}
}

// TestBounceAtOnce is the option of B28, which a host that may have had TLS and
// was not reached holds up.
func TestBounceAtOnce(t *testing.T) {
	c := control(t, "example.com", policy.TLSRequired)
	c.BounceAtOnce = true
	r := newRig(t, c)
	r.domain("example.com", "a.example.com")
	r.host("a.example.com", "192.0.2.1", smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}))
	want(t, r.send("b@example.com"), "bounced starttls 550 5.7.4")

	r.domain("example.com", "a.example.com", "b.example.com")
	r.host("b.example.com", "192.0.2.2", nil)
	want(t, r.send("b@example.com"), "deferred connect 451 4.4.1")
}

// TestSwitchedOff is B1: no TLS, and what must have it waits.
func TestSwitchedOff(t *testing.T) {
	off := policy.TLSSettings{MinVersion: tls.VersionTLS12}
	r := newRig(t, off, control(t, "example.com", policy.TLSPreferred), control(t, "strict.test", policy.TLSRequired))
	mx := r.simple(smtptest.MXOptions{})
	r.domain("strict.test", "mx.example.com")
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.TLS.Encrypted() {
		t.Error("encrypted although TLS is off")
	}
	want(t, r.send("b@strict.test"), "deferred policy 450 4.7.4")
	if mx.Connections() != 1 {
		t.Errorf("%d connections", mx.Connections())
	}
}

// TestSTARTTLSLists is B25: exemption and required list.
func TestSTARTTLSLists(t *testing.T) {
	entry := func(pattern string) policy.STARTTLSEntry {
		p, err := mailaddr.ParseEndpointPattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return policy.STARTTLSEntry{Pattern: p, Reason: "test"}
	}
	tests := []struct {
		name    string
		pattern string
		exempt  bool
		level   policy.TLSLevel
		options smtptest.MXOptions
		want    string
	}{
		{"exempt by host", "mx.example.com", true, policy.TLSPreferred, smtptest.MXOptions{}, "clear"},
		{"exempt by domain", "example.com", true, policy.TLSPreferred, smtptest.MXOptions{}, "clear"},
		{"exempt by address", "192.0.2.0/24", true, policy.TLSPreferred, smtptest.MXOptions{}, "clear"},
		{"exempt, yet mandatory", "192.0.2.0/24", true, policy.TLSRequired, smtptest.MXOptions{}, "verified"},
		{"required by host", "mx.example.com", false, policy.TLSNone, smtptest.MXOptions{}, "verified"},
		{"required by address, not offered", "192.0.2.1", false, policy.TLSNone, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}, "deferred 4.7.4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var list config.Value = requirement{entry(tt.pattern)}
			if tt.exempt {
				list = exemption{entry(tt.pattern)}
			}
			r := newRig(t, control(t, "example.com", tt.level), list)
			r.simple(tt.options)
			if got := fate(r.send("b@example.com")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
