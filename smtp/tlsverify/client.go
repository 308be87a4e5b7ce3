package tlsverify

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// maxClientChain bounds the certificates of a client that are looked at: each
// costs the server a signature check before the client is known.
const maxClientChain = 10

// maxSubjectOctets bounds what is told of a subject.
const maxSubjectOctets = 200

// VerifyClient holds the chain that a client showed, leaf first, against the
// trust store (B17). A client is not called by a name that its certificate
// could be held against: whoever the anchors vouch for is let in, and Matched
// is the subject.
func VerifyClient(chain []*x509.Certificate, trust *Trust, now time.Time) Result {
	switch {
	case len(chain) == 0:
		return Refuse(NoCertificate, "the client showed no certificate")
	case len(chain) > maxClientChain:
		return Refuse(Untrusted, fmt.Sprintf("the client showed %d certificates, at most %d are looked at", len(chain), maxClientChain))
	}
	result := trust.verify(chain, x509.ExtKeyUsageClientAuth, now)
	if result.Reason == None {
		result.Verified, result.Matched = true, subjectOf(chain[0])
	}
	return result
}

// subjectOf returns the subject of a certificate (RFC 2253), or its first name
// where it has no subject, as it may stand in a log and in a comment of a
// Received field.
func subjectOf(leaf *x509.Certificate) string {
	subject := leaf.Subject.String()
	if subject == "" {
		subject = strings.Join(namesOf(leaf), " ")
	}
	if len(subject) > maxSubjectOctets {
		subject = subject[:maxSubjectOctets]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune("()\\\"", r) {
			return '?'
		}
		return r
	}, subject)
}
