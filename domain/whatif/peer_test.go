package whatif

import (
	"testing"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// A peer without REQUIRETLS keeps flagged mail, and no other, from being handed
// over (B57).
func TestPeerWithoutREQUIRETLS(t *testing.T) {
	works := delivery.Evidence{STARTTLS: delivery.PeerTLSWorks, Trusted: true, Covers: []policy.Check{policy.CheckMXHost}}
	a := attemptAt("d.example", works)
	a.Hosts[0].Stage = delivery.StageExtensions
	for flagged, want := range map[bool]Class{true: Bounced, false: Verified} {
		d := policy.Decision{Level: policy.TLSRequired, Checks: []policy.Check{policy.CheckMXHost}, RequireTLS: flagged}
		if got := Peers(&a.Attempt)[0].Under(d, true); got != want {
			t.Errorf("flagged %t: %s, want %s", flagged, got, want)
		}
	}
}
