// Package policy holds the values an administrator speaks in (listeners,
// sender groups, mail flow policies, destination controls, routes, STARTTLS
// lists, settings) and the pure decisions made from them: which mail flow
// policy a client gets ([Access]) and how a destination must be encrypted and
// verified ([Effective]). Nothing in it does I/O.
package policy

import (
	"crypto/tls"

	"postern/domain"
)

// TLSLevel is how much TLS a destination needs (behaviour.md section 3). The
// order of the constants is the order of strictness; whether TLS is mandatory
// is a question of its own, see [TLSLevel.Mandatory].
type TLSLevel uint8

// The levels, weakest first (B22).
const (
	TLSNone                 TLSLevel = iota // not attempted
	TLSPreferred                            // encrypted if offered, never checked
	TLSPreferredVerify                      // encrypted if offered, checked, informs only
	TLSRequired                             // encrypted or not at all, not checked
	TLSRequiredVerify                       // encrypted and verified against the recipient domain
	TLSRequiredVerifyHosted                 // the same, MX or route host names count too
)

var tlsLevelNames = [...]string{
	"none", "preferred", "preferred_verify", "required", "required_verify", "required_verify_hosted",
}

// Mandatory reports whether mail may leave only over TLS.
func (l TLSLevel) Mandatory() bool { return l >= TLSRequired }

// Verifies reports whether the peer's certificate decides about delivery.
func (l TLSLevel) Verifies() bool { return l >= TLSRequiredVerify }

// String returns the level's name in API and documents.
func (l TLSLevel) String() string { return nameOf(tlsLevelNames[:], l) }

// MarshalText returns the level's name.
func (l TLSLevel) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText takes a level's name.
func (l *TLSLevel) UnmarshalText(text []byte) error {
	return parseName(tlsLevelNames[:], text, l)
}

// ListenerTLS is what a mail flow policy does with STARTTLS on the inbound leg
// (B14, B15).
type ListenerTLS uint8

// The inbound modes. Default means: inherit from the listener's default policy.
const (
	ListenerTLSDefault   ListenerTLS = iota
	ListenerTLSOff                   // STARTTLS neither offered nor answered
	ListenerTLSPreferred             // offered, clear mail accepted
	ListenerTLSRequired              // 530 until the session is encrypted
)

var listenerTLSNames = [...]string{"default", "off", "preferred", "required"}

// String returns the mode's name in API and documents.
func (t ListenerTLS) String() string { return nameOf(listenerTLSNames[:], t) }

// MarshalText returns the mode's name.
func (t ListenerTLS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes a mode's name.
func (t *ListenerTLS) UnmarshalText(text []byte) error {
	return parseName(listenerTLSNames[:], text, t)
}

// TLSVersion is a protocol version as crypto/tls numbers it; zero means
// "inherit" or "unset".
type TLSVersion uint16

var tlsVersionNames = map[TLSVersion]string{
	0: "", tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3",
}

// String returns "1.2" and the like; empty for zero.
func (v TLSVersion) String() string { return tlsVersionNames[v] }

// MarshalText returns "1.2" and the like; empty for zero.
func (v TLSVersion) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText takes "1.0" to "1.3", or nothing.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	for version, name := range tlsVersionNames {
		if name == string(text) {
			*v = version
			return nil
		}
	}
	return domain.E(domain.Invalid, "%q is no TLS version: use 1.0, 1.1, 1.2 or 1.3", text)
}

// Or returns v, or fallback where v is unset.
func (v TLSVersion) Or(fallback TLSVersion) TLSVersion {
	if v == 0 {
		return fallback
	}
	return v
}
