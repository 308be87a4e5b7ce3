package outbound

import (
	"fmt"
	"strings"
	"testing"

	"postern/domain/policy"
)

// climbAll renders the ladder for a decision when every rung fails in the same
// way.
func climbAll(d policy.Decision, listed bool, c class) string {
	r := firstRung(d, listed)
	rungs := []string{r.String()}
	for {
		next, ok := r.next(d, &failure{class: c})
		if !ok {
			return strings.Join(rungs, " > ")
		}
		rungs = append(rungs, next.String())
		r = next
	}
}

func (r rung) String() string {
	if r.smallHello {
		return r.level.String() + "/small"
	}
	return r.level.String()
}

// TestLadder is B22, B24 and B28: what follows a failure at the same address.
func TestLadder(t *testing.T) {
	tests := []struct {
		level  policy.TLSLevel
		grant  bool
		listed bool
		class  class
		want   string
	}{
		{policy.TLSNone, true, false, handshakeFailed, "none"},
		{policy.TLSPreferred, false, false, handshakeFailed, "preferred > preferred/small"},
		{policy.TLSPreferred, true, false, handshakeFailed, "preferred > preferred/small > none"},
		{policy.TLSPreferredVerify, true, false, handshakeFailed, "preferred_verify > preferred_verify/small > none"},
		{policy.TLSPreferred, true, true, handshakeFailed, "none"},
		{policy.TLSPreferred, false, true, handshakeFailed, "preferred > preferred/small"},
		{policy.TLSPreferred, true, false, handshakeTimedOut, "preferred"},
		{policy.TLSPreferred, true, false, timedOut, "preferred"},
		{policy.TLSPreferred, true, false, injected, "preferred"},
		{policy.TLSPreferred, true, false, lost, "preferred"},
		{policy.TLSPreferred, true, false, unclassified, "preferred"},
		{policy.TLSRequired, false, false, handshakeFailed, "required > required/small"},
		// Even if a decision were wrong, a mandatory level has no clear rung.
		{policy.TLSRequired, true, true, handshakeFailed, "required > required/small"},
		{policy.TLSRequiredVerify, true, true, handshakeFailed, "required_verify > required_verify/small"},
		{policy.TLSRequiredVerifyHosted, true, true, handshakeFailed, "required_verify_hosted > required_verify_hosted/small"},
		{policy.TLSRequired, false, false, unverified, "required"},
	}
	for _, tt := range tests {
		name := fmt.Sprintf("%s grant=%t listed=%t class=%d", tt.level, tt.grant, tt.listed, tt.class)
		d := policy.Decision{Level: tt.level, RetryWithoutTLS: tt.grant}
		if got := climbAll(d, tt.listed, tt.class); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// TestProfileLadder is B32: failed TLS under optional STARTTLS, an untrusted
// certificate among it, leads to clear text; silence and injection never do.
func TestProfileLadder(t *testing.T) {
	tests := []struct {
		level policy.TLSLevel
		class class
		want  string
	}{
		{policy.TLSPreferred, handshakeFailed, "preferred > preferred/small > none"},
		{policy.TLSPreferred, unverified, "preferred > none"},
		{policy.TLSPreferred, handshakeTimedOut, "preferred"},
		{policy.TLSPreferred, injected, "preferred"},
		{policy.TLSPreferred, authRefused, "preferred"},
		{policy.TLSRequired, unverified, "required"},
		{policy.TLSRequired, handshakeFailed, "required > required/small"},
	}
	for _, tt := range tests {
		d := policy.Decision{Level: tt.level, ClearAfterFailedTLS: true}
		if got := climbAll(d, false, tt.class); got != tt.want {
			t.Errorf("%s class=%d: got %s, want %s", tt.level, tt.class, got, tt.want)
		}
	}
}
