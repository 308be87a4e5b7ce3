package certificate

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/domain"
)

// String names the certificate in a fault.
func (g given) String() string {
	name := g.Subject.CommonName
	if name == "" && len(g.DNSNames) > 0 {
		name = g.DNSNames[0]
	}
	return fmt.Sprintf("certificate %s (serial %s)", quote(name), shorten(g.SerialNumber.Text(16)))
}

// orderChain returns the chain from the leaf upward (RFC 8446 §4.4.2: each
// certificate certifies the one before it) and what did not find a place in it.
func orderChain(leaf given, others []given, now time.Time) (chain, unused []given) {
	chain, unused = []given{leaf}, slices.Clone(others)
	for last := leaf; !selfSigned(last.Certificate); {
		i := bestIssuer(last, unused, now)
		if i < 0 {
			break
		}
		last = unused[i]
		chain = append(chain, last)
		unused = slices.Delete(unused, i, i+1)
	}
	return chain, unused
}

// bestIssuer returns the index of the candidate that should follow c in the
// chain, -1 when none signed it. Where several did, because an authority is
// cross-signed, the choice is one that is valid now, then one that leads on to
// another candidate, then the one that lasts longest.
func bestIssuer(c given, candidates []given, now time.Time) int {
	best := -1
	var bestRank int
	for i, p := range candidates {
		if !signedBy(c.Certificate, p.Certificate) {
			continue
		}
		rank := issuerRank(p, candidates, now)
		if best < 0 || rank > bestRank || rank == bestRank && p.NotAfter.After(candidates[best].NotAfter) {
			best, bestRank = i, rank
		}
	}
	return best
}

func issuerRank(p given, candidates []given, now time.Time) (rank int) {
	if !now.Before(p.NotBefore) && !now.After(p.NotAfter) {
		rank += 2
	}
	leadsOn := func(q given) bool {
		return !q.Equal(p.Certificate) && bytes.Equal(p.RawIssuer, q.RawSubject)
	}
	if !bytes.Equal(p.RawIssuer, p.RawSubject) && slices.ContainsFunc(candidates, leadsOn) {
		rank++
	}
	return rank
}

// signedBy reports whether parent has the name of c's issuer and its key made
// c's signature. A weak algorithm or key counts as signed: it is reported as
// weak, and a modulus of absurd size is not worth the work.
func signedBy(c, parent *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, parent.RawSubject) {
		return false
	}
	if _, fault := keyTypeOf(parent.PublicKey); fault != "" {
		return true
	}
	err := parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var weak x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &weak)
}

func selfSigned(c *x509.Certificate) bool { return signedBy(c, c) }

// likelyLeaf returns the first certificate that issued none of the others.
func likelyLeaf(certificates []given) given {
	for _, c := range certificates {
		issued := func(other given) bool {
			return !other.Equal(c.Certificate) && bytes.Equal(other.RawIssuer, c.RawSubject)
		}
		if !slices.ContainsFunc(certificates, issued) {
			return c
		}
	}
	return certificates[0]
}

// judgeUnused faults certificates that have no place in the chain. A
// cross-signed twin of one that has is left out with a warning.
func judgeUnused(f *domain.Faults, chain, unused []given) (warnings []string) {
	for _, u := range unused {
		twin := func(c given) bool {
			return bytes.Equal(c.RawSubject, u.RawSubject) && samePublicKey(c.PublicKey, u.PublicKey)
		}
		namesake := func(c given) bool { return bytes.Equal(c.RawIssuer, u.RawSubject) }
		switch {
		case slices.ContainsFunc(chain[1:], twin):
			warnings = append(warnings, fmt.Sprintf("%s was left out: another certificate of the same authority is in the chain", u))
		case slices.ContainsFunc(chain, namesake):
			f.Add(u.pointer, "%s has the name of an issuer in the chain of %s, but another key", u, chain[0])
		default:
			f.Add(u.pointer, "%s is not part of the chain of %s", u, chain[0])
		}
	}
	return warnings
}

// chainWarnings says what a chain without faults leaves open.
func chainWarnings(chain []given) []string {
	leaf := chain[0]
	var warnings []string
	switch {
	case selfSigned(leaf.Certificate):
		warnings = append(warnings, selfSignedWarning)
	case len(chain) == 1:
		warnings = append(warnings, fmt.Sprintf(
			"no intermediate certificate was given: peers must know the issuer %s themselves", quote(leaf.Issuer.String())))
	}
	return append(warnings, nameWarnings(leaf.Certificate)...)
}

func certificatesOf(chain []given) []*x509.Certificate {
	list := make([]*x509.Certificate, len(chain))
	for i, c := range chain {
		list[i] = c.Certificate
	}
	return list
}
