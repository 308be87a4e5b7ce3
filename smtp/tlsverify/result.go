package tlsverify

import (
	"fmt"
	"strings"

	"postern/smtp/reply"
)

// Reason says why a certificate is not verified. The values go into records and
// statistics.
type Reason string

// The reasons. Where several hold, the first in this order is given.
const (
	None          Reason = "" // it is verified
	NoCertificate Reason = "no_certificate"
	Weak          Reason = "weak"          // RSA below 2048 bits, or an MD5 or SHA-1 signature
	SelfSigned    Reason = "self_signed"   // by itself, and neither anchored nor pinned
	NotYetValid   Reason = "not_yet_valid" // the certificate or one above it
	Expired       Reason = "expired"       // the certificate or one above it
	Untrusted     Reason = "untrusted"     // no chain to the trust store
	NameMismatch  Reason = "name_mismatch" // trusted, but for other names
	Unsupported   Reason = "unsupported"   // the check is not one that this package knows
	// TLSAMismatch: no usable TLSA record matches (B63). Package dane is the judge;
	// it gives Untrusted, Expired and NameMismatch where the authority of a record
	// is there, but does not vouch for the certificate.
	TLSAMismatch Reason = "tlsa_mismatch"
)

// Result is what verification found.
type Result struct {
	Verified bool
	Reason   Reason
	// Detail explains the reason in words; foreign text in it is escaped and
	// bounded.
	Detail string
	// Matched is the name that the certificate speaks for.
	Matched string
	// Tried are the names that it was held against.
	Tried []string
	// Pinned says that the certificate is trusted by itself.
	Pinned bool
	// ChainLength counts the certificates of the chain that was found, leaf and
	// root included; 1 for a pinned one, 0 where there is no chain.
	ChainLength int
	// ByTLSA says that TLSA records were the judge, so that nothing is said about
	// the trust store.
	ByTLSA bool
}

// String returns the result in one line, as it goes into records and logs.
func (r Result) String() string {
	if r.Verified {
		return "verified as " + r.Matched
	}
	if r.Detail == "" {
		return string(r.Reason)
	}
	return fmt.Sprintf("%s: %s", r.Reason, r.Detail)
}

// Refuse returns a result that is not verified, for checks that cannot be made.
func Refuse(reason Reason, detail string) Result {
	return Result{Reason: reason, Detail: detail}
}

// Bounds on the names of a certificate that a result repeats.
const (
	maxNames      = 5
	maxNameOctets = 80
)

// quoteNames lists names that come from outside.
func quoteNames(names []string) string {
	if len(names) == 0 {
		return "no name"
	}
	quoted := make([]string, 0, maxNames+1)
	for i, name := range names {
		if i == maxNames {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, reply.Quote(name, maxNameOctets))
	}
	return strings.Join(quoted, ", ")
}
