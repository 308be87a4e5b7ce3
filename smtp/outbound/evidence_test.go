package outbound

import (
	"crypto/tls"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/whatif"
	"postern/smtp/smtptest"
)

// classOf is what became of a delivery, in the words of what-if.
func classOf(a delivery.Attempt) whatif.Class {
	switch o := a.Results[0].Outcome; {
	case o.Status == delivery.Bounced:
		return whatif.Bounced
	case o.Status == delivery.Deferred:
		return whatif.Deferred
	case a.TLS.Verified:
		return whatif.Verified
	case a.TLS.Encrypted():
		return whatif.Encrypted
	}
	return whatif.Clear
}

// What the evidence of a delivery at one level says about another level is what
// a delivery at that level comes to; or nothing, where no handshake was seen
// (B72). This is held for every peer and every pair of levels, with and without
// the one-hour list.
func TestEvidenceAgreesWithDeliveries(t *testing.T) {
	for _, retry := range []bool{false, true} {
		for _, p := range tlsPeers() {
			name := p.name
			if retry {
				name += ", one-hour list"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var attempts []delivery.Attempt
				for level := policy.TLSNone; level <= policy.TLSRequiredVerifyHosted; level++ {
					r := newRig(t, control(t, "example.com", level), policy.TLSSettings{Enabled: true, RetryWithoutTLS: retry, MinVersion: tls.VersionTLS12})
					r.simple(p.options(r))
					attempts = append(attempts, r.send("b@example.com"))
				}
				for _, seen := range attempts {
					for _, other := range attempts {
						compareEvidence(t, seen, other)
					}
				}
			})
		}
	}
}

// compareEvidence judges what one delivery showed under the decision of another.
func compareEvidence(t *testing.T, seen, other delivery.Attempt) {
	t.Helper()
	peers := whatif.Peers(&seen)
	if len(peers) != 1 || peers[0].Evidence == nil {
		t.Fatalf("the delivery met %+v", peers)
	}
	got, want := peers[0].Under(other.Decision, true), classOf(other)
	// A delivery in clear shows whether STARTTLS is offered, and no more.
	mayBeUnknown := seen.Decision.Level == policy.TLSNone && other.Decision.Level != policy.TLSNone &&
		peers[0].Evidence.STARTTLS == delivery.PeerTLSOffered
	if got == whatif.Unknown && mayBeUnknown {
		return
	}
	// Nor does one that ends at the certificate show how the session would go on.
	if seen.Results[0].Outcome.Stage == delivery.StageVerify && other.Results[0].Outcome.Enhanced == "4.4.2" {
		return
	}
	if got != want {
		t.Errorf("seen at %s (%+v), judged at %s: %s, a delivery comes to %s",
			seen.Decision.Level, peers[0].Evidence, other.Decision.Level, got, want)
	}
}

// The evidence of a reused connection is about the recipient domain at hand.
func TestEvidenceOfAReusedConnection(t *testing.T) {
	r := newRig(t, control(t, "default", policy.TLSPreferred))
	mx := smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "mx.shared.example", "one.example").TLS})
	r.domain("one.example", "mx.shared.example")
	r.domain("two.example", "mx.shared.example")
	r.host("mx.shared.example", "192.0.2.1", mx)
	for _, tt := range []struct {
		to   string
		want *delivery.Evidence
	}{
		{"b@one.example", &delivery.Evidence{
			ByMX: true, STARTTLS: delivery.PeerTLSWorks, Trusted: true,
			Covers: []policy.Check{policy.CheckDomain, policy.CheckHosted, policy.CheckMXHost},
		}},
		{"b@two.example", &delivery.Evidence{
			ByMX: true, STARTTLS: delivery.PeerTLSWorks, Trusted: true,
			Covers: []policy.Check{policy.CheckHosted, policy.CheckMXHost},
		}},
	} {
		a := r.send(tt.to)
		want(t, a, delivered)
		if diff := cmp.Diff(tt.want, a.Hosts[0].Evidence); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.to, diff)
		}
	}
	if mx.Connections() != 1 {
		t.Errorf("%d connections", mx.Connections())
	}
}
