package dane

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/domain/mailaddr"
)

// verifyTA holds the chain against a record of usage 2 (RFC 7672 §3.1.2): it must
// lead to the authority that the record names, be valid now, and its certificate
// be for one of the names.
func verifyTA(chain []*x509.Certificate, record Record, names []mailaddr.DomainName, now time.Time) Result {
	anchors := anchorsFor(chain, record)
	if len(anchors) == 0 {
		return Result{Reason: NoMatch}
	}
	length, err := build(chain, anchors, now)
	if err != nil {
		return Result{Reason: reasonOf(err), Detail: err.Error(), Record: &record}
	}
	// RFC 7672 §3.1.2: the name must match, too.
	name, ok := matchName(chain[0], names)
	if !ok {
		return Result{
			Reason: WrongName, Record: &record,
			Detail: fmt.Sprintf("the certificate leads to the authority of the TLSA record, but is for %q, not for %v", namesOf(chain[0]), names),
		}
	}
	return Result{Record: &record, Name: name, ChainLength: length}
}

// anchorsFor returns the certificates that the record makes the end of the chain:
// those above the server's own that it names, and the one that it holds itself
// where the server need not show it (RFC 7671 §5.2.1).
func anchorsFor(chain []*x509.Certificate, record Record) []*x509.Certificate {
	var anchors []*x509.Certificate
	for _, c := range chain[1:] {
		if record.names(c) && !c.Equal(chain[0]) {
			anchors = append(anchors, c)
		}
	}
	switch {
	case record.anchor == nil:
	case record.Selector == selectorCertificate:
		anchors = append(anchors, record.anchor)
	default:
		anchors = append(anchors, signedBy(chain, record.anchor)...)
	}
	return anchors
}

// signedBy returns the certificates of the chain that the key of an authority
// signed. The key has no name to build a chain by, so that what it signed stands
// in for it (RFC 7671 §5.2.2).
func signedBy(chain []*x509.Certificate, key *x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(chain), func(c *x509.Certificate) bool {
		return key.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil
	})
}

// bareKey makes a certificate of a SubjectPublicKeyInfo, which can check
// signatures and nothing else.
func bareKey(der []byte) (*x509.Certificate, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	bare := &x509.Certificate{PublicKey: key}
	switch key.(type) {
	case *rsa.PublicKey:
		bare.PublicKeyAlgorithm = x509.RSA
	case *ecdsa.PublicKey:
		bare.PublicKeyAlgorithm = x509.ECDSA
	case ed25519.PublicKey:
		bare.PublicKeyAlgorithm = x509.Ed25519
	default:
		return nil, errors.New("a key that signs no certificates")
	}
	return bare, nil
}

// build finds a chain from the server's certificate to an anchor, and returns its
// length.
func build(chain, anchors []*x509.Certificate, now time.Time) (int, error) {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, anchor := range anchors {
		options.Roots.AddCert(anchor)
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	found, err := chain[0].Verify(options)
	if err != nil {
		return 0, err
	}
	return len(found[0]), nil
}

func reasonOf(err error) Reason {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return Expired
	}
	return Broken
}

// matchName returns the first of the names that the certificate is for (RFC 7672
// §3.2.3): its DNS names count, and only without any of them its common name.
func matchName(leaf *x509.Certificate, names []mailaddr.DomainName) (mailaddr.DomainName, bool) {
	presented := &x509.Certificate{DNSNames: namesOf(leaf)}
	for _, name := range names {
		// An asterisk stands for the left-most label, and for one only.
		if name != "" && presented.VerifyHostname(string(name)) == nil {
			return name, true
		}
	}
	return "", false
}

func namesOf(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) == 0 && leaf.Subject.CommonName != "" {
		return []string{leaf.Subject.CommonName}
	}
	return leaf.DNSNames
}
