package tlsverify

import (
	"crypto/sha256"
	"crypto/x509"
)

// Trust is the trust store: system roots, own trust anchors and pinned server
// certificates (B23). It never changes once it is made, so that it may be
// shared.
type Trust struct {
	roots  *x509.CertPool
	pinned map[fingerprint]struct{}
}

// fingerprint is the SHA-256 digest of a certificate in DER form.
type fingerprint [sha256.Size]byte

// NewTrust makes a trust store. system may be nil, where the roots of the
// machine are not to be trusted. An anchor is a certificate of an authority; a
// pinned certificate is that of a server and stands in for the whole chain.
func NewTrust(system *x509.CertPool, anchors, pinned []*x509.Certificate) *Trust {
	t := &Trust{roots: x509.NewCertPool(), pinned: make(map[fingerprint]struct{}, len(pinned))}
	if system != nil {
		t.roots = system.Clone()
	}
	for _, anchor := range anchors {
		t.roots.AddCert(anchor)
	}
	for _, certificate := range pinned {
		t.pinned[sha256.Sum256(certificate.Raw)] = struct{}{}
	}
	return t
}

// pins reports whether the certificate counts as trusted by itself.
func (t *Trust) pins(leaf *x509.Certificate) bool {
	_, ok := t.pinned[sha256.Sum256(leaf.Raw)]
	return ok
}
