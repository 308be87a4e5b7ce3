package policy

import (
	"crypto/tls"

	"postern/domain"
)

// CipherProfile chooses the cipher suites of a listener for TLS 1.2 and below.
// TLS 1.3 has only good ones, of which nobody can choose. Every profile has
// forward secrecy; RC4, 3DES and key transport by RSA are in none.
type CipherProfile string

// The profiles, from the strictest.
const (
	// CipherModern: authenticated encryption (AEAD) only, TLS 1.2 and above.
	CipherModern CipherProfile = "modern"
	// CipherDefault: what crypto/tls finds right for servers, which has CBC with
	// SHA-1 as its last choice: without it many a sender falls back to clear.
	CipherDefault CipherProfile = "default"
	// CipherCompatible: CBC with SHA-256 too, for old senders whose
	// administrators switched SHA-1 off.
	CipherCompatible CipherProfile = "compatible"
)

func (l Listener) checkCiphers(f *domain.Faults) {
	checkOneOf(f, "/cipher_profile", l.CipherProfile, "", CipherDefault, CipherModern, CipherCompatible)
	if l.CipherProfile == CipherModern && l.MinVersion != 0 && l.MinVersion < tls.VersionTLS12 {
		f.Add("/min_tls_version", "%s contradicts the cipher profile modern: below TLS 1.2 there is no cipher suite that it allows", l.MinVersion)
	}
}
