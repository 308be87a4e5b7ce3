package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"time"

	"postern/domain/mailaddr"
)

// maxChain bounds the certificates of a server that are looked at.
const maxChain = 10

// Reason says why no record matches.
type Reason uint8

// The reasons, from the farthest from a match to the nearest.
const (
	None          Reason = iota // a record matches
	NoCertificate               // the server showed none
	NoMatch                     // no record is about what it showed
	Broken                      // the authority of a record is there, but the chain to it does not hold
	Expired                     // the chain holds, but not now
	WrongName                   // the chain holds, but the certificate is for other names
)

// Result is what became of the records at a server.
type Result struct {
	Reason Reason
	// Detail explains the reason; it may hold foreign text.
	Detail string
	// Record is the one that matched, or that came nearest.
	Record *Record
	// Name is the reference name of a match by usage 2; empty by usage 3.
	Name mailaddr.DomainName
	// ChainLength counts the certificates from the server's to the one that
	// matched.
	ChainLength int
}

// Matches reports whether a record matches.
func (r Result) Matches() bool { return r.Reason == None }

// Verify holds the chain that a server showed, leaf first, against usable
// records. names are the reference names of usage 2 (RFC 7672 §3.2.2).
func Verify(chain []*x509.Certificate, records []Record, names []mailaddr.DomainName, now time.Time) Result {
	if len(chain) == 0 {
		return Result{Reason: NoCertificate, Detail: "the server showed no certificate"}
	}
	chain = chain[:min(len(chain), maxChain)]
	best := Result{Reason: NoMatch, Detail: fmt.Sprintf("none of the %d usable TLSA records matches the certificate", len(records))}
	for i := range records {
		result := verifyRecord(chain, records[i], names, now)
		if result.Matches() {
			return result // RFC 6698 §2.1, RFC 7671 §5: one match suffices.
		}
		if result.Reason > best.Reason {
			best = result
		}
	}
	return best
}

func verifyRecord(chain []*x509.Certificate, record Record, names []mailaddr.DomainName, now time.Time) Result {
	if record.Usage == usageTA {
		return verifyTA(chain, record, names, now)
	}
	// RFC 7672 §3.1.1: names and dates of the certificate are ignored.
	if record.names(chain[0]) {
		return Result{Record: &record, ChainLength: 1}
	}
	return Result{Reason: NoMatch}
}

// names reports whether the data of the record is of the certificate.
func (r Record) names(c *x509.Certificate) bool {
	content := c.Raw
	if r.Selector == selectorKey {
		content = c.RawSubjectPublicKeyInfo
	}
	switch r.MatchingType {
	case matchSHA256:
		sum := sha256.Sum256(content)
		content = sum[:]
	case matchSHA512:
		sum := sha512.Sum512(content)
		content = sum[:]
	}
	return bytes.Equal(content, r.Data)
}
