package keyring

import (
	"crypto/tls"

	"postern/domain/policy"
)

// The cipher suites of the profiles below TLS 1.3; crypto/tls chooses among
// them in an order of its own, best first.
//
// All exchange keys by ephemeral Diffie-Hellman on curves, so that none is
// without forward secrecy. The modern ones encrypt and authenticate in one
// (AEAD). CBC with SHA-1 is what crypto/tls still enables for peers without
// AEAD, and all that TLS 1.0 and 1.1 have. CBC with SHA-256 it leaves off,
// because its implementation does not hide timing well (the Lucky Thirteen
// attack); for one message per connection that is a price worth less than clear
// text.
func modernSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

func compatibleSuites() []uint16 {
	return append(modernSuites(),
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	)
}

// applyProfile restricts or widens a configuration to a cipher profile.
func applyProfile(c *tls.Config, profile policy.CipherProfile) {
	switch profile {
	case policy.CipherModern:
		c.CipherSuites = modernSuites()
		// Below TLS 1.2 there is no AEAD: such a client is told the version is
		// the matter, and not that no cipher suite is.
		c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	case policy.CipherCompatible:
		c.CipherSuites = compatibleSuites()
	}
}
