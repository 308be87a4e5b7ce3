package mtasts

import (
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Result says what kept a policy from being found, in the words of reports (RFC 8460
// §4.3.2) where those have one.
type Result string

// The results.
const (
	ResultNone    Result = ""
	ResultFetch   Result = "sts-policy-fetch-error"
	ResultInvalid Result = "sts-policy-invalid"
	ResultWebPKI  Result = "sts-webpki-invalid"
	// ResultRecord is a TXT record that is missing or no good.
	ResultRecord Result = "sts-record-error"
	// ResultLookup is DNS that gave no answer about the record.
	ResultLookup Result = "dns-error"
	// ResultLocal is a fault of this system, which says nothing about the domain.
	ResultLocal Result = "local-fault"
)

// Problem is why the newest policy of a domain is not known.
type Problem struct {
	Result Result
	Detail string
}

// Pin keeps the policy of an entry in force as it is (B60).
type Pin struct {
	By     string
	Reason string
	At     time.Time
}

// Entry is what the cache knows of a domain. It is a value: what is in the cache is
// replaced, never changed.
type Entry struct {
	Domain mailaddr.DomainName
	// RecordID, Policy, Text and the times are those of the newest policy that was
	// fetched. Text is as it was received, and empty while there was none.
	RecordID  string
	Policy    Policy
	Text      string
	FetchedAt time.Time
	ExpiresAt time.Time
	// RefreshAt is when the policy is fetched again although its id is the same.
	RefreshAt time.Time
	// UsedAt is when mail last asked for it.
	UsedAt time.Time
	Pinned *Pin

	// Problem is why the last try failed; its result is ResultNone after success.
	Problem  Problem
	FailedAt time.Time
	// FailedID is the id of the record that led to the failure: under another one
	// the next try need not wait.
	FailedID string
	Failures int // in a row
	NextTry  time.Time
}

// InForce reports whether the entry's policy holds: it was fetched and has not
// expired, or it is pinned.
func (e Entry) InForce(at time.Time) bool {
	return e.Text != "" && (e.Pinned != nil || at.Before(e.ExpiresAt))
}

// Fetched returns the entry after a policy was fetched.
func (e Entry) Fetched(recordID, text string, p Policy, at time.Time) Entry {
	e.RecordID, e.Text, e.Policy = recordID, text, p
	e.FetchedAt, e.ExpiresAt = at, at.Add(p.MaxAge)
	e.Problem, e.FailedAt, e.FailedID, e.Failures, e.NextTry = Problem{}, time.Time{}, "", 0, time.Time{}
	return e
}

// Failed returns the entry after a policy could not be fetched. What was fetched
// before stays in force.
func (e Entry) Failed(recordID string, problem Problem, at, nextTry time.Time) Entry {
	e.Problem, e.FailedAt, e.FailedID, e.NextTry = problem, at, recordID, nextTry
	e.Failures++
	return e
}

// Finding is what a delivery has to go by.
type Finding struct {
	Entry
	// Applies says that the entry's policy is in force.
	Applies bool
	// Unknown says that it cannot be told whether there is a policy: mail must wait.
	Unknown bool
	// Problem is why the newest policy is not known, although there may be an older
	// one in force.
	Problem Problem
}

// State is what the finding means for a host (B60).
func (f Finding) State(host mailaddr.DomainName) policy.MTASTSState {
	switch {
	case f.Unknown:
		return policy.MTASTSUnknown
	case !f.Applies || f.Policy.Mode == ModeNone:
		return policy.MTASTSNone
	case f.Policy.Mode == ModeTesting:
		return policy.MTASTSTesting
	case f.Policy.Lists(host):
		return policy.MTASTSEnforce
	}
	return policy.MTASTSUnlisted
}

// VouchesFor reports whether a policy of either mode lists the host, which REQUIRETLS
// asks for (B56).
func (f Finding) VouchesFor(host mailaddr.DomainName) bool {
	return f.Applies && f.Policy.Mode != ModeNone && f.Policy.Lists(host)
}
