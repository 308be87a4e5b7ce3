package delivery

import "strings"

// TLSResult is what became of TLS on one connection (B66, B68). Mail log,
// report and destination status speak of it in the same words.
type TLSResult string

// The results.
const (
	TLSSuccess TLSResult = "success" // encrypted, and verified where verification decides
	TLSFailed  TLSResult = "failed"  // tried or mandatory, and came to nothing
	TLSClear   TLSResult = "clear"   // the connection went on without
	// TLSUndecided is that of a connection which ended before TLS was a
	// question: refused, lost, or silent. No report counts it.
	TLSUndecided TLSResult = "none"
)

// The short forms of what verification found, beside the reasons for which a
// certificate is not verified.
const (
	VerificationPassed  = "verified"
	VerificationSkipped = "unchecked" // encrypted, and the peer was not asked to prove itself
)

// maxVerdict bounds the short form, which is a word of ours.
const maxVerdict = 40

// Verdict returns the short form of the verification, fit to be counted by:
// "verified", "unchecked", a reason such as "expired"; empty without TLS.
func (t SessionTLS) Verdict() string {
	reason, _, _ := strings.Cut(t.Verification, ":")
	switch {
	case !t.Encrypted():
		return ""
	case t.Verified:
		return VerificationPassed
	case reason == "":
		return VerificationSkipped
	}
	return reason[:min(len(reason), maxVerdict)]
}
