package outbound

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dane"
	"postern/smtp/reply"
)

// Bounds on what a live test repeats of the certificates of a peer.
const (
	maxShownCertificates = 10
	maxShownNames        = 50
	maxShownOctets       = 200
)

// testChecks holds the chain against the names of every kind of check (B23), and
// against the TLSA records where there are usable ones.
func (a *attempt) testChecks(ctx context.Context, chain []*x509.Certificate, to target, t terms) []probe.CheckResult {
	var results []probe.CheckResult
	for _, check := range []policy.Check{policy.CheckDomain, policy.CheckHosted, policy.CheckMXHost, policy.CheckDANE} {
		if check == policy.CheckDomain && t.decision.Domain == "" {
			continue // a test of a host without a domain
		}
		if check == policy.CheckDANE && to.dane.State != dane.Usable {
			continue
		}
		r := a.check(ctx, check, chain, to, t.decision.Domain)
		results = append(results, probe.CheckResult{
			Check: check, Required: slices.Contains(t.decision.Checks, check),
			Verified: r.Verified, Reason: string(r.Reason), Detail: r.Detail, Matched: r.Matched, Tried: r.Tried,
		})
	}
	return results
}

// showChain repeats what a peer showed.
func showChain(chain []*x509.Certificate) []probe.Certificate {
	shown := make([]probe.Certificate, 0, len(chain))
	for _, c := range chain[:min(len(chain), maxShownCertificates)] {
		fingerprint := sha256.Sum256(c.Raw)
		shown = append(shown, probe.Certificate{
			Subject: quoteShown(c.Subject.String()), Issuer: quoteShown(c.Issuer.String()), Names: showNames(c),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			Fingerprint: hex.EncodeToString(fingerprint[:]), Key: describeKey(c),
		})
	}
	return shown
}

func quoteShown(text string) string { return reply.Quote(text, maxShownOctets) }

func showNames(c *x509.Certificate) []string {
	var names []string
	for _, name := range c.DNSNames {
		names = append(names, quoteShown(name))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names[:min(len(names), maxShownNames)]
}

// describeKey names the algorithm of the key and its size.
func describeKey(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d bits", key.N.BitLen())
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ECDSA %d bits", key.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}
