package probe

import (
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// MaxVerifyTime bounds a live test.
const MaxVerifyTime = time.Minute

// Question asks for a live test: of the hosts of a domain, of one host, of a
// server profile, or of the latter two as if the mail of a domain went there.
type Question struct {
	// Domain is the recipient domain whose policy applies. Without one that is
	// the policy of the entry "default".
	Domain mailaddr.DomainName
	// Host is the only host to test, by name or address; empty for those that
	// the domain's route or MX records name. Port 0 is 25.
	Host string
	Port int
	// ServerProfile names the profile whose URIs alone are tested (B32).
	ServerProfile string
	// RequireTLS asks for mail that is flagged REQUIRETLS (B56).
	RequireTLS bool
	// Limit is how long the test may take, at most MaxVerifyTime, which is also
	// what 0 stands for.
	Limit time.Duration
}

// Verdict says what would become of mail.
type Verdict string

// The verdicts.
const (
	Deliverable Verdict = "deliverable" // a host would be asked to take it
	Deferred    Verdict = "deferred"
	Bounced     Verdict = "bounced"
)

// VerdictOf returns what an outcome means for mail; nil is none to complain of.
func VerdictOf(o *delivery.Outcome) Verdict {
	switch {
	case o == nil || o.Status == delivery.Delivered:
		return Deliverable
	case o.Status == delivery.Bounced:
		return Bounced
	}
	return Deferred
}

// Verification is what a live test found: the stages of a delivery, up to and
// not including MAIL, at every candidate.
type Verification struct {
	Domain string // as in the question
	Host   string // host:port of the question; empty for those of the domain
	// ServerProfile is that of the question.
	ServerProfile string
	Revision      int64
	// Outcome is what would become of mail; nil where a candidate is ready to
	// be asked. It is about the candidate that tells most, as in an attempt.
	Outcome *delivery.Outcome
	// ReadyAt is the address of the first candidate that is ready.
	ReadyAt    string
	Candidates []Tested
	// LeftOff is how many further candidates there are that were not tested.
	LeftOff int
}

// Tested is what a live test found at one candidate.
type Tested struct {
	Candidate
	// Outcome is what would become of mail if there were no other candidate;
	// nil where this one is ready to be asked.
	Outcome *delivery.Outcome
	// Connections are those made, down the ladder.
	Connections []Connection
	// Checks hold the certificate that was shown against the names of every kind
	// of check, whether the decision asks for it or not (B23).
	Checks []CheckResult
	// Chain is what the host showed, its own certificate first.
	Chain []Certificate
}

// Connection is one connection of a live test.
type Connection struct {
	Rung
	Steps []Step
	TLS   delivery.SessionTLS
	// FailedAt is the stage that ended it; empty where it was ready for MAIL.
	FailedAt delivery.Stage
	Failure  string
}

// Step is one step of a connection: a command with its reply, or what lies
// between the commands.
type Step struct {
	Name string // connect, greeting, a verb, handshake or verify
	// OK says that it went well. One that did not may still be no failure, where
	// TLS or the certificate is not mandatory.
	OK       bool
	Result   string // foreign text in it is quoted and bounded
	Duration time.Duration
}

// CheckResult is how a certificate fares against the names of one check.
type CheckResult struct {
	Check policy.Check
	// Required says that the decision asks for the check.
	Required bool
	Verified bool
	Reason   string // why not, in one word
	Detail   string // why not, in a sentence
	Matched  string // the name that it speaks for
	Tried    []string
}

// Certificate is a certificate of a chain as a host showed it. Its text is
// foreign: quoted and bounded.
type Certificate struct {
	Subject   string
	Issuer    string
	Names     []string // DNS names and addresses
	NotBefore time.Time
	NotAfter  time.Time
	// Fingerprint is the SHA-256 digest of the DER form, in hexadecimal.
	Fingerprint string
	Key         string // such as ECDSA 256 bits
}
