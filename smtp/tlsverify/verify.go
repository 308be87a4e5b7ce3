package tlsverify

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/smtp/reply"
)

// minRSABits is the shortest RSA key that counts (RFC 9325 §4.1).
const minRSABits = 2048

// Verify holds the chain that a peer showed, leaf first, against the trust
// store and the names. It does not ask for revocation.
func Verify(chain []*x509.Certificate, trust *Trust, names Names, now time.Time) Result {
	if len(chain) == 0 {
		return Refuse(NoCertificate, "the peer showed no certificate")
	}
	result := trust.verify(chain, x509.ExtKeyUsageServerAuth, now)
	result.Tried = names.strings()
	if result.Reason != None {
		return result
	}
	result.Matched, result.Verified = names.match(chain[0])
	if !result.Verified {
		result.Reason = NameMismatch
		result.Detail = fmt.Sprintf("the certificate is for %s, not for %s",
			quoteNames(namesOf(chain[0])), strings.Join(result.Tried, " or "))
	}
	return result
}

// namesOf lists what a certificate says it is for.
func namesOf(leaf *x509.Certificate) []string {
	if LacksAlternativeNames([]*x509.Certificate{leaf}) {
		return []string{leaf.Subject.CommonName}
	}
	names := slices.Clone(leaf.DNSNames) // the certificate is shared
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// verify answers the question of trust alone, for a certificate that is used
// so.
func (t *Trust) verify(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) Result {
	leaf := chain[0]
	// B23: a pinned certificate is trusted by itself; its dates still count.
	if t.pins(leaf) {
		if reason := checkDates(leaf, now); reason != None {
			return Refuse(reason, describeDates(leaf))
		}
		return Result{Pinned: true, ChainLength: 1}
	}
	if weakness := weaknessOf(leaf); weakness != "" {
		return Refuse(Weak, weakness)
	}
	found, err := leaf.Verify(x509.VerifyOptions{
		Roots:         t.roots,
		Intermediates: poolOf(chain[1:]),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return explain(err, leaf, now)
	}
	return strongest(found)
}

func poolOf(certificates []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool
}

// strongest takes the first chain that has no weak link. The signature of the
// root is not looked at: it is trusted for being in the store.
func strongest(chains [][]*x509.Certificate) Result {
	weakness := ""
	for _, chain := range chains {
		weakness = ""
		for _, certificate := range chain[:max(len(chain)-1, 1)] {
			if weakness == "" {
				weakness = weaknessOf(certificate)
			}
		}
		if weakness == "" {
			return Result{ChainLength: len(chain)}
		}
	}
	return Refuse(Weak, weakness)
}

// weaknessOf says what is weak about the key or signature of a certificate, if
// anything is.
func weaknessOf(certificate *x509.Certificate) string {
	if key, ok := certificate.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
		return fmt.Sprintf("a key of %d bits RSA", key.N.BitLen())
	}
	switch certificate.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return "signed with " + certificate.SignatureAlgorithm.String()
	}
	return ""
}

// explain sorts the error of the chain building into our reasons.
func explain(err error, leaf *x509.Certificate, now time.Time) Result {
	if isSelfSigned(leaf) {
		return Refuse(SelfSigned, "the certificate is signed by itself and not in the trust store")
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return Refuse(checkDates(invalid.Cert, now), describeDates(invalid.Cert))
	}
	return Refuse(Untrusted, reply.Quote(err.Error(), maxDetailOctets))
}

// maxDetailOctets bounds the words of an error, which repeat foreign text.
const maxDetailOctets = 200

// isSelfSigned reports whether the certificate's own key signed it.
func isSelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func checkDates(c *x509.Certificate, now time.Time) Reason {
	switch {
	case now.Before(c.NotBefore):
		return NotYetValid
	case now.After(c.NotAfter):
		return Expired
	}
	return None
}

func describeDates(c *x509.Certificate) string {
	return fmt.Sprintf("%s is valid from %s to %s", quoteNames([]string{c.Subject.CommonName}),
		c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
}
