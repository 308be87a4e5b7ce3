package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// TLSA is the content of a TLSA record (RFC 6698 §2.1).
type TLSA struct {
	Usage, Selector, MatchingType uint8
	Data                          []byte
}

// Publication is what DNS says about one endpoint that serves the active
// certificate.
type Publication struct {
	Host    mailaddr.DomainName
	Port    uint16
	Records []TLSA // empty: nothing is published, or not under DNSSEC
}

// Publications looks up what is published about the endpoints that serve the
// active certificate. Only answers that DNSSEC proves count (RFC 7672 §2.1.1).
type Publications interface {
	Publications(ctx context.Context) ([]Publication, error)
}

// TLSA returns the record to publish for the key of the certificate, or of its
// request while it is pending: "3 1 1", the SHA-256 of the public key, which stays
// good when a certificate is renewed with the same key (RFC 7671 §5.1, B54).
func (c Certificate) TLSA() (TLSA, error) {
	public, err := c.publicKeyInfo()
	if err != nil {
		return TLSA{}, domain.Wrap(err, "read certificate %s", c.ID)
	}
	sum := sha256.Sum256(public)
	return TLSA{Usage: 3, Selector: 1, MatchingType: 1, Data: sum[:]}, nil
}

// publicKeyInfo returns the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
func (c Certificate) publicKeyInfo() ([]byte, error) {
	if len(c.Chain) == 0 && len(c.Request) > 0 {
		request, err := x509.ParseCertificateRequest(c.Request)
		if err != nil {
			return nil, err
		}
		return request.RawSubjectPublicKeyInfo, nil
	}
	leaf, err := c.Leaf()
	if err != nil {
		return nil, err
	}
	return leaf.RawSubjectPublicKeyInfo, nil
}

// String returns the record data in the form of a zone file.
func (t TLSA) String() string {
	return fmt.Sprintf("%d %d %d %s", t.Usage, t.Selector, t.MatchingType, hex.EncodeToString(t.Data))
}

// TLSAName returns the name of the record of a TCP port of a host (RFC 6698 §3).
func TLSAName(host mailaddr.DomainName, port uint16) string {
	return fmt.Sprintf("_%d._tcp.%s.", port, host)
}

// Record returns a whole line for a zone file, for a TCP port of a host.
func (t TLSA) Record(host mailaddr.DomainName, port uint16) string {
	return TLSAName(host, port) + " IN TLSA " + t.String()
}

// usable reports whether a sender of mail looks at the record at all (RFC 7672
// §3.1: usages 2 and 3; §3.1.3: the others are not).
func (t TLSA) usable() bool {
	return (t.Usage == 2 || t.Usage == 3) && t.Selector <= 1 && t.MatchingType <= 2
}

// matches reports whether a server that shows the chain meets the record: usage 3
// its leaf, usage 2 one of the authorities above it.
func (t TLSA) matches(chain []*x509.Certificate) bool {
	if t.Usage == 3 {
		chain = chain[:1]
	} else {
		chain = chain[1:]
	}
	return t.usable() && slices.ContainsFunc(chain, t.names)
}

// names reports whether the data is of the certificate.
func (t TLSA) names(c *x509.Certificate) bool {
	content := c.Raw
	if t.Selector == 1 {
		content = c.RawSubjectPublicKeyInfo
	}
	switch t.MatchingType {
	case 1:
		sum := sha256.Sum256(content)
		content = sum[:]
	case 2:
		sum := sha512.Sum512(content)
		content = sum[:]
	}
	return bytes.Equal(content, t.Data)
}

// checkPublished refuses a certificate which senders that believe the published
// TLSA records would not accept (B54): [domain.Conflict] that names the records
// to publish first.
func (s *Service) checkPublished(ctx context.Context, c Certificate) error {
	publications, err := s.publications.Publications(ctx)
	if err != nil {
		return domain.Wrap(err, "look up the TLSA records that are published")
	}
	chain, err := c.parsedChain()
	if err != nil {
		return err
	}
	record, err := c.TLSA()
	if err != nil {
		return err
	}
	var broken []string
	for _, p := range publications {
		if p.broken(chain) {
			broken = append(broken, record.Record(p.Host, p.Port))
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return domain.E(domain.Conflict, "the published TLSA records do not match certificate %s: senders that use DANE would stop "+
		"delivering. Publish first, and wait for the time to live of the old records: %s. Or force it", c.ID, strings.Join(broken, "; "))
}

// broken reports whether records bind senders and none of them is met.
func (p Publication) broken(chain []*x509.Certificate) bool {
	return slices.ContainsFunc(p.Records, TLSA.usable) &&
		!slices.ContainsFunc(p.Records, func(t TLSA) bool { return t.matches(chain) })
}

func (c Certificate) parsedChain() ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, len(c.Chain))
	for i, der := range c.Chain {
		var err error
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil, domain.Wrap(err, "read the chain of certificate %s", c.ID)
		}
	}
	return chain, nil
}
