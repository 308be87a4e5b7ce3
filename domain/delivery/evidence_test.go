package delivery

import (
	"testing"

	"postern/domain/policy"
)

// What is published comes back as it was, whatever it is.
func TestPublishedFactsComeBack(t *testing.T) {
	for dane := policy.DANEUnknown; dane <= policy.DANEFailed; dane++ {
		for sts := policy.MTASTSNone; sts <= policy.MTASTSUnknown; sts++ {
			for _, flag := range []bool{false, true} {
				want := policy.OutboundInputs{DANE: dane, MTASTS: sts, SecureMX: flag, UnsignedMX: flag, TLSRequiredNo: flag}
				var got policy.OutboundInputs
				PublishedIn(&want).Fill(&got)
				if got.DANE != want.DANE || got.MTASTS != want.MTASTS || got.SecureMX != want.SecureMX || got.UnsignedMX != want.UnsignedMX || got.TLSRequiredNo != want.TLSRequiredNo {
					t.Errorf("%s %s %t came back as %s %s %t %t", dane, sts, flag, got.DANE, got.MTASTS, got.SecureMX, got.TLSRequiredNo)
				}
			}
		}
	}
	if p := PublishedIn(new(policy.OutboundInputs)); p != nil {
		t.Errorf("nothing is %+v", p)
	}
}
