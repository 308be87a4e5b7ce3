package outbound

import (
	"crypto/tls"

	"postern/domain/policy"
)

// rung is one way to use an address. The zero value is clear text.
type rung struct {
	level policy.TLSLevel
	// smallHello leaves the post-quantum group out of the ClientHello, which
	// then fits into one segment: some devices on the way lose larger ones.
	smallHello bool
}

// firstRung is where the ladder begins: at the level of the decision, or in
// clear where the peer is on the one-hour list and the decision respects it
// (B24).
func firstRung(d policy.Decision, listed bool) rung {
	if listed && d.RetryWithoutTLS && !d.Mandatory() {
		return rung{}
	}
	return rung{level: d.Level}
}

// next returns the rung that a failure leads to, on a new connection; false
// where the address has no further one.
//
// Only an error of the TLS protocol steps down, or a certificate that a server
// profile does not trust. Silence does not (B24): it shows
// nothing about TLS, and an attacker who can drop packets must not be able to
// strip it. Injected clear text does not either.
func (r rung) next(d policy.Decision, f *failure) (rung, bool) {
	switch {
	case r.level == policy.TLSNone:
		return rung{}, false
	// B32: to a server profile with optional STARTTLS, an untrusted certificate
	// is failed TLS.
	case f.class == unverified && d.ClearAfterFailedTLS && !d.Mandatory():
		return rung{}, true
	case f.class != handshakeFailed:
		return rung{}, false
	case !r.smallHello:
		return rung{level: r.level, smallHello: true}, true
	// B24, B32: clear text only where the decision grants it, never where TLS is
	// mandatory.
	case (d.RetryWithoutTLS || d.ClearAfterFailedTLS) && !d.Mandatory():
		return rung{}, true
	}
	return rung{}, false
}

// curves are the key exchanges that the ClientHello offers; nil means those of
// crypto/tls.
func (r rung) curves() []tls.CurveID {
	if r.smallHello {
		return []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	return nil
}
