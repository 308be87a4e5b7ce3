package outbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// ask makes a live test with the rig's deliverer.
func (r *rig) ask(q probe.Question) probe.Verification {
	r.t.Helper()
	v, err := NewVerifier(r.Deliverer).Verify(r.t.Context(), q)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// verdict says in short what a live test foretells.
func verdict(v probe.Verification) string {
	if v.Outcome == nil {
		return "ready"
	}
	return fmt.Sprintf("%s %s", v.Outcome.Status, v.Outcome.Enhanced)
}

// peersForVerify are those of every fate of STARTTLS and every kind of
// certificate.
func peersForVerify() []peer {
	both := smtptest.Leaf{Names: []string{"mx.example.com", "example.com"}}
	return []peer{
		{"good", certified(both)},
		{"host only", certified(smtptest.Leaf{Names: []string{"mx.example.com"}})},
		{"other name", certified(smtptest.Leaf{Names: []string{"other.test"}})},
		{"expired", certified(smtptest.Leaf{Names: both.Names, Validity: smtptest.Expired})},
		{"no SAN", certified(smtptest.Leaf{CommonName: "example.com"})},
		{"hidden", starttls(smtptest.StartTLSHidden)},
		{"refused", starttls(smtptest.StartTLSRefused)},
		{"closed", starttls(smtptest.StartTLSClosed)},
		{"garbage", starttls(smtptest.StartTLSGarbage)},
		{"broken", starttls(smtptest.StartTLSBroken)},
		{"injected", starttls(smtptest.StartTLSInjected)},
		{"aborted", starttls(smtptest.StartTLSAborted)},
		{"no post-quantum", func(*rig) smtptest.MXOptions { return smtptest.MXOptions{RefusePostQuantum: true} }},
		{"busy", func(*rig) smtptest.MXOptions { return smtptest.MXOptions{Greeting: "421 4.3.2 later"} }},
		{"closed door", func(*rig) smtptest.MXOptions { return smtptest.MXOptions{Greeting: "554 5.7.1 no"} }},
		{"rude", func(*rig) smtptest.MXOptions {
			return smtptest.MXOptions{Actions: map[string]smtptest.Action{"EHLO": smtptest.Drop()}}
		}},
	}
}

// TestVerifyForetellsDelivery holds live tests against deliveries, for every
// level and every kind of peer: they may not disagree (B71).
func TestVerifyForetellsDelivery(t *testing.T) {
	for level := policy.TLSNone; level <= policy.TLSRequiredVerifyHosted; level++ {
		for _, p := range peersForVerify() {
			for _, retry := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/clear=%t", level, p.name, retry), func(t *testing.T) {
					t.Parallel()
					r := newRig(t, policy.TLSSettings{Enabled: true, RetryWithoutTLS: retry, MinVersion: 0x0303}, control(t, "example.com", level))
					mx := r.simple(p.options(r))
					v := r.ask(probe.Question{Domain: "example.com"})
					untouched(t, r, mx)
					a := r.send("b@example.com")
					agree(t, v, a)
				})
			}
		}
	}
}

// untouched checks that a live test left nothing behind and handed nothing over.
func untouched(t *testing.T, r *rig, mx *smtptest.MX) {
	t.Helper()
	if len(r.OneHour.List()) > 0 || r.IdleConnections() > 0 || len(r.resting.peers) > 0 {
		t.Errorf("one-hour list %v, %d idle connections, resting %v", r.OneHour.List(), r.IdleConnections(), r.resting.peers)
	}
	for _, c := range mx.Commands() {
		if slices.Contains([]string{"MAIL", "RCPT", "DATA", "BDAT"}, c.Stage) {
			t.Errorf("the test said %s", c.Stage)
		}
	}
	conforms(t, mx)
}

// agree checks that the test foretold the attempt.
func agree(t *testing.T, v probe.Verification, a delivery.Attempt) {
	t.Helper()
	o := a.Results[0].Outcome
	if o.Status == delivery.Delivered {
		if v.Outcome != nil {
			t.Fatalf("the test foretold %s, the mail was delivered", v.Outcome)
		}
	} else if v.Outcome == nil || !sameFate(*v.Outcome, o) {
		t.Fatalf("the test foretold %v, the attempt came to %s", v.Outcome, o)
	}
	last := v.Candidates[0].Connections[len(v.Candidates[0].Connections)-1]
	if last.TLS != a.TLS {
		t.Errorf("TLS of the test %+v, of the attempt %+v", last.TLS, a.TLS)
	}
}

// sameFate compares outcomes but for their texts: whether a peer that hangs up is
// seen to close or to reset the connection is a matter of luck.
func sameFate(a, b delivery.Outcome) bool {
	a.Text, b.Text = "", ""
	return a == b
}

func TestVerifyReportsEveryStep(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequiredVerify))
	both := smtptest.Leaf{Names: []string{"mx.example.com", "example.com"}}
	mx := r.simple(smtptest.MXOptions{Certificate: r.ca.Issue(t, both).TLS, Greeting: "220 mx.example.com ready"})
	v := r.ask(probe.Question{Domain: "example.com"})
	if verdict(v) != "ready" || v.ReadyAt != "192.0.2.1:25" || v.Revision != 7 || len(v.Candidates) != 1 {
		t.Fatalf("%+v", v)
	}
	c := v.Candidates[0]
	var steps []string
	for _, s := range c.Connections[0].Steps {
		steps = append(steps, s.Name)
		if !s.OK || s.Result == "" || s.Duration < 0 {
			t.Errorf("%+v", s)
		}
	}
	if got := strings.Join(steps, " "); got != "connect greeting EHLO STARTTLS handshake verify EHLO QUIT" {
		t.Errorf("steps %s", got)
	}
	if c.Connections[0].Steps[1].Result != "220 mx.example.com ready" || !strings.HasPrefix(c.Connections[0].Steps[4].Result, "TLS1.3 ") {
		t.Errorf("%+v", c.Connections[0].Steps)
	}
	if got := said(mx, 1); got[len(got)-1] != "QUIT" {
		t.Errorf("said %q", got)
	}
	if len(c.Chain) == 0 || !slices.Contains(c.Chain[0].Names, "mx.example.com") || len(c.Chain[0].Fingerprint) != 64 ||
		c.Chain[0].Issuer != r.ca.Root().Subject.String() || c.Chain[0].Key == "" || !c.Chain[0].NotAfter.After(time.Now()) {
		t.Errorf("chain %+v", c.Chain)
	}
	if !strings.Contains(r.log.String(), "live_test=true") {
		t.Errorf("the log does not tell the test from a delivery: %s", r.log)
	}
}

// TestVerifyHoldsTheCertificateAgainstEveryName is B23: what each kind of check
// would say, whether the decision asks for it or not.
func TestVerifyHoldsTheCertificateAgainstEveryName(t *testing.T) {
	tests := map[string]struct {
		leaf smtptest.Leaf
		want string
	}{
		"host":      {smtptest.Leaf{Names: []string{"mx.example.com"}}, "domain*:name_mismatch hosted:mx.example.com mx_host:mx.example.com"},
		"domain":    {smtptest.Leaf{Names: []string{"example.com"}}, "domain*:example.com hosted:example.com mx_host:name_mismatch"},
		"wildcard":  {smtptest.Leaf{Names: []string{"*.example.com"}}, "domain*:name_mismatch hosted:mx.example.com mx_host:mx.example.com"},
		"expired":   {smtptest.Leaf{Names: []string{"example.com"}, Validity: smtptest.Expired}, "domain*:expired hosted:expired mx_host:expired"},
		"something": {smtptest.Leaf{Names: []string{"other.test"}}, "domain*:name_mismatch hosted:name_mismatch mx_host:name_mismatch"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, control(t, "example.com", policy.TLSRequiredVerify))
			r.simple(certified(tt.leaf)(r))
			v := r.ask(probe.Question{Domain: "example.com"})
			var got []string
			for _, c := range v.Candidates[0].Checks {
				text := string(c.Check)
				if c.Required {
					text += "*"
				}
				got = append(got, text+":"+c.Matched+c.Reason)
				if len(c.Tried) == 0 {
					t.Errorf("%s does not say which names were tried", c.Check)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

// TestVerifyClimbsTheLadder is B24, without the list.
func TestVerifyClimbsTheLadder(t *testing.T) {
	r := newRig(t, policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: 0x0303}, control(t, "example.com", policy.TLSPreferred))
	mx := r.simple(smtptest.MXOptions{StartTLS: smtptest.StartTLSBroken})
	v := r.ask(probe.Question{Domain: "example.com"})
	var rungs []string
	for _, c := range v.Candidates[0].Connections {
		rungs = append(rungs, fmt.Sprintf("%s small=%t failed=%s", c.Level, c.SmallClientHello, c.FailedAt))
	}
	want := []string{"preferred small=false failed=starttls", "preferred small=true failed=starttls", "none small=false failed="}
	if !slices.Equal(rungs, want) || verdict(v) != "ready" {
		t.Errorf("%s %q", verdict(v), rungs)
	}
	untouched(t, r, mx)
}

func TestVerifyTestsEveryCandidate(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequired))
	r.domain("example.com", "dead.example.com", "none.example.com", "hidden.example.com", "mx.example.com")
	r.host("dead.example.com", "192.0.2.1", nil)
	r.host("hidden.example.com", "192.0.2.3", smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}))
	r.host("mx.example.com", "192.0.2.4", smtptest.NewMX(t, smtptest.MXOptions{}))
	v := r.ask(probe.Question{Domain: "example.com"})
	var got []string
	for _, c := range v.Candidates {
		got = append(got, fmt.Sprintf("%d %s %s", c.Preference, c.Host, probe.VerdictOf(c.Outcome)))
	}
	want := []string{
		"1 dead.example.com deferred", "2 none.example.com bounced",
		"3 hidden.example.com deferred", "4 mx.example.com deliverable",
	}
	if !slices.Equal(got, want) || v.ReadyAt != "192.0.2.4:25" {
		t.Errorf("%s %q", v.ReadyAt, got)
	}
}

func TestVerifyLeavesOffWhatIsTooMuch(t *testing.T) {
	r := newRig(t)
	hosts := []mailaddr.DomainName{"a.test", "b.test", "c.test"}
	r.domain("example.com", hosts...)
	for i, host := range hosts {
		for n := range maxAddrs {
			r.host(host, fmt.Sprintf("192.0.2.%d", 10*i+n+1), nil)
		}
	}
	v := r.ask(probe.Question{Domain: "example.com"})
	if len(v.Candidates) != maxTested || v.LeftOff != 2 {
		t.Errorf("%d candidates, %d left off", len(v.Candidates), v.LeftOff)
	}
}

// A peer that keeps silent costs the time of the test, and the others nothing.
func TestVerifyEndsInTime(t *testing.T) {
	for name, options := range map[string]smtptest.MXOptions{
		"no greeting":     {Actions: map[string]smtptest.Action{"CONNECT": smtptest.Silence()}},
		"no answer":       {Actions: map[string]smtptest.Action{"EHLO": smtptest.Silence()}},
		"silent STARTTLS": {StartTLS: smtptest.StartTLSStalled},
		"tarpit":          {Tarpit: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, control(t, "example.com", policy.TLSRequired))
			r.domain("example.com", "slow.example.com", "mx.example.com")
			r.host("slow.example.com", "192.0.2.1", smtptest.NewMX(t, options))
			r.host("mx.example.com", "192.0.2.2", smtptest.NewMX(t, smtptest.MXOptions{}))
			v := r.ask(probe.Question{Domain: "example.com", Limit: 2 * time.Second})
			slow := v.Candidates[0]
			if slow.Outcome == nil || slow.Outcome.Status != delivery.Deferred {
				t.Fatalf("%+v", slow)
			}
			if c := slow.Connections[0]; !strings.Contains(c.Failure, "within the time of the test") || c.Steps[len(c.Steps)-1].OK {
				t.Errorf("%+v", c)
			}
			if v.ReadyAt != "192.0.2.2:25" {
				t.Errorf("ready at %q", v.ReadyAt)
			}
		})
	}
}

func TestVerifyRunsTwoAtATime(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{Actions: map[string]smtptest.Action{"CONNECT": smtptest.Silence()}})
	verifier := NewVerifier(r.Deliverer)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range maxTests {
		running.Go(func() { _, _ = verifier.Verify(ctx, probe.Question{Domain: "example.com"}) })
	}
	smtptest.Eventually(t, func() bool { return mx.OpenConnections() == maxTests }, "two tests are under way")
	if _, err := verifier.Verify(t.Context(), probe.Question{Domain: "example.com"}); domain.KindOf(err) != domain.Exhausted {
		t.Errorf("a third test: %v", err)
	}
	cancel()
	running.Wait()
	if _, err := verifier.Verify(ctx, probe.Question{Domain: "example.com"}); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
}

func TestVerifyOneHost(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequiredVerifyHosted))
	r.simple(certified(smtptest.Leaf{Names: []string{"example.com"}})(r))
	// Without a domain the entry "default" decides, which asks for no TLS.
	v := r.ask(probe.Question{Host: "mx.example.com"})
	if c := v.Candidates[0]; verdict(v) != "ready" || c.Decision.Level != policy.TLSNone || v.Host != "mx.example.com:25" {
		t.Errorf("%+v", v)
	}
	// With one, its policy does, whatever its MX records are.
	v = r.ask(probe.Question{Domain: "example.com", Host: "mx.example.com", Port: 25})
	if c := v.Candidates[0]; verdict(v) != "ready" || c.Decision.Level != policy.TLSRequiredVerifyHosted || !c.Connections[0].TLS.Verified {
		t.Errorf("%+v", v)
	}
	v = r.ask(probe.Question{Domain: "example.com", Host: "192.0.2.1"})
	if verdict(v) != "ready" || v.Host != "192.0.2.1:25" {
		t.Errorf("%+v", v)
	}
	v = r.ask(probe.Question{Host: "unknown.test"})
	if verdict(v) != "bounced 5.4.4" || v.Candidates[0].Problem == "" {
		t.Errorf("%+v", v)
	}
}

// A live test shows what a peer says: it must not show what listens elsewhere.
func TestVerifyAsksAtSMTPPortsOnly(t *testing.T) {
	hop := policy.NextHop{Host: "mx.example.com", Port: 2525}
	routed := route(t, "example.com")
	routed.NextHops = []policy.NextHop{hop}
	r := newRig(t, routed)
	r.host("mx.example.com", "192.0.2.1", nil)
	for name, tt := range map[string]struct {
		q       probe.Question
		pointer string
	}{
		"submission":           {probe.Question{Host: "mx.example.com", Port: 587}, ""},
		"next hop":             {probe.Question{Domain: "example.com", Host: "mx.example.com", Port: 2525}, ""},
		"not for this domain":  {probe.Question{Domain: "example.net", Host: "mx.example.com", Port: 2525}, "/port"},
		"next hop, no domain":  {probe.Question{Host: "mx.example.com", Port: 2525}, "/port"},
		"another host":         {probe.Question{Domain: "example.com", Host: "127.0.0.1", Port: 2525}, "/port"},
		"HTTP":                 {probe.Question{Host: "127.0.0.1", Port: 8025}, "/port"},
		"port beyond the last": {probe.Question{Host: "127.0.0.1", Port: 65536 + 25}, "/port"},
		"no name":              {probe.Question{Host: "a b"}, "/host"},
	} {
		_, err := NewVerifier(r.Deliverer).Verify(t.Context(), tt.q)
		var invalid *domain.Error
		if got := errors.As(err, &invalid); got != (tt.pointer != "") {
			t.Errorf("%s: %v", name, err)
		} else if got && (invalid.Kind != domain.Invalid || invalid.Faults[0].Pointer != tt.pointer) {
			t.Errorf("%s: %+v", name, invalid)
		}
	}
	if calls := r.network.calls(); !slices.Equal(slices.Sorted(slices.Values(calls)), []string{"192.0.2.1:2525", "192.0.2.1:587"}) {
		t.Errorf("dialled %q", calls)
	}
}

func TestVerifyWithoutHosts(t *testing.T) {
	r := newRig(t)
	r.resolver.mx["null.test"] = dns.MXResult{Null: true}
	v := r.ask(probe.Question{Domain: "null.test"})
	if verdict(v) != "bounced 5.1.10" || len(v.Candidates) != 0 {
		t.Errorf("%+v", v)
	}
	// The decision bars the host: nobody is asked.
	r.configure(policy.TLSSettings{MinVersion: 0x0303}, control(t, "example.com", policy.TLSRequired))
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	v = r.ask(probe.Question{Domain: "example.com"})
	if verdict(v) != "deferred 4.7.4" || len(r.network.calls()) != 0 {
		t.Errorf("%+v, dialled %q", v, r.network.calls())
	}
}
