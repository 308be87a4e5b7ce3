package certificate

import (
	"crypto/x509"
	"slices"
	"time"

	"postern/domain"
)

// maxChainBytes bounds what every handshake sends; OpenSSL gives up at 100 KiB.
const maxChainBytes = 64 << 10

// judgeChain faults whatever would make a peer refuse the chain, or make it
// worth nothing, and returns the leaf's key type (B44).
func judgeChain(f *domain.Faults, chain []given, now time.Time) KeyType {
	size := 0
	for i, c := range chain {
		size += len(c.Raw)
		judgeValidity(f, c, now)
		judgeStrength(f, c, i > 0 && selfSigned(c.Certificate))
		if i > 0 {
			judgeAuthority(f, c)
		}
	}
	if size > maxChainBytes {
		f.Add(chain[0].pointer, "certificate and chain have %d bytes together; peers accept about %d", size, maxChainBytes)
	}
	judgePurpose(f, chain[0])
	keyType, _ := keyTypeOf(chain[0].PublicKey)
	return keyType
}

func judgeValidity(f *domain.Faults, c given, now time.Time) {
	switch {
	case now.Before(c.NotBefore):
		f.Add(c.pointer, "%s is not valid before %s", c, c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		f.Add(c.pointer, "%s expired on %s", c, c.NotAfter.UTC().Format(time.RFC3339))
	}
}

// judgeStrength faults weak keys and signatures (RFC 9325 §4.5, RFC 9155). The
// signature of a root proves nothing and is not judged.
func judgeStrength(f *domain.Faults, c given, root bool) {
	if _, fault := keyTypeOf(c.PublicKey); fault != "" {
		f.Add(c.pointer, "the key of %s %s", c, fault)
	}
	if root {
		return
	}
	switch c.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.PureEd25519:
	default:
		f.Add(c.pointer, "%s is signed with %s, which peers do not accept; it needs SHA-256 or better", c, c.SignatureAlgorithm)
	}
}

// judgeAuthority faults a chain certificate that may not issue others (RFC 5280
// §4.2.1.9, §4.2.1.3).
func judgeAuthority(f *domain.Faults, c given) {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		f.Add(c.pointer, "%s is not an authority's (basic constraints), so peers refuse the chain", c)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		f.Add(c.pointer, "the key of %s may not sign certificates (key usage)", c)
	}
}

// judgePurpose faults a leaf that a TLS server cannot use.
func judgePurpose(f *domain.Faults, leaf given) {
	// RFC 8446 §4.4.2.2: the digitalSignature bit must be set if the extension
	// is present.
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		f.Add(leaf.pointer, "the key of %s may not make digital signatures (key usage), which TLS needs", leaf)
	}
	// RFC 5280 §4.2.1.12: without the extension every purpose is allowed.
	restricted := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	if restricted && !slices.ContainsFunc(leaf.ExtKeyUsage, forServers) {
		f.Add(leaf.pointer, "%s is not meant for TLS servers (extended key usage has no serverAuth)", leaf)
	}
	if names, _ := readNames(leaf.Certificate); len(names) == 0 {
		f.Add(leaf.pointer, "%s has no host name or address that a peer could compare", leaf)
	}
}

func forServers(usage x509.ExtKeyUsage) bool {
	return usage == x509.ExtKeyUsageServerAuth || usage == x509.ExtKeyUsageAny
}
