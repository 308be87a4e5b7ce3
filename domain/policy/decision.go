package policy

import (
	"slices"
	"strings"
	"time"

	"postern/domain/mailaddr"
)

// Check is a verification that must succeed before mail is handed over (B23).
type Check string

// The checks. They name what the peer's certificate is held against.
const (
	CheckNothing Check = ""
	CheckDomain  Check = "domain"  // the recipient domain
	CheckHosted  Check = "hosted"  // recipient domain, MX host name or route host
	CheckMXHost  Check = "mx_host" // the MX host name (MTA-STS, REQUIRETLS), or the host of a server profile
	CheckDANE    Check = "dane"    // the TLSA records
)

// Refusal says why a host may not be used now.
type Refusal struct {
	Rule   string `json:"rule"`
	Detail string `json:"detail"`
	// Code is the enhanced status code of the outcome, as 4.7.4.
	Code string `json:"code"`
}

// Reason is one rule's part in a decision.
type Reason struct {
	Rule  string `json:"rule"`            // as destination_control
	Entry string `json:"entry,omitempty"` // the entry of it that matched
	Asks  string `json:"asks"`            // what it asks for
	// Because is why an administrator made the entry, and Expires when it ends
	// by itself, for entries that have these.
	Because string     `json:"because,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	// OverruledBy names the rule that won over this one; empty: it applies.
	OverruledBy string `json:"overruled_by,omitempty"`
}

// Decision is the effective requirement for one recipient domain at one host
// (B27), with the reasons for it.
type Decision struct {
	Level      TLSLevel   `json:"tls_level"`
	MinVersion TLSVersion `json:"min_tls_version"`
	// Checks must all succeed. Where there is none the certificate is verified
	// for the record only.
	Checks []Check `json:"checks,omitempty"`
	// RetryWithoutTLS grants a new connection in clear after a failed
	// handshake, by the one-hour list (B24).
	RetryWithoutTLS bool `json:"retry_without_tls,omitempty"`
	// ClearAfterFailedTLS grants a new connection in clear after a failed
	// handshake or an untrusted certificate, by a server profile with optional
	// STARTTLS (B32).
	ClearAfterFailedTLS bool `json:"clear_after_failed_tls,omitempty"`

	BounceAtOnce bool `json:"bounce_at_once,omitempty"` // B28
	RequireTLS   bool `json:"require_tls,omitempty"`    // REQUIRETLS is passed on
	// Refused says that the host may not be used, whatever it offers.
	Refused *Refusal            `json:"refused,omitempty"`
	Reasons []Reason            `json:"reasons"`
	Domain  mailaddr.DomainName `json:"domain"`
}

// Mandatory reports whether mail may leave only over TLS under the decision.
func (d Decision) Mandatory() bool { return d.Level.Mandatory() }

// opportunistic reports whether TLS is tried and clear text is good enough.
func (d Decision) opportunistic() bool {
	return d.Level == TLSPreferred || d.Level == TLSPreferredVerify
}

// Key is equal for decisions that ask the same of a connection, so that the
// same connection may serve both (B29). Where the recipient domain itself is
// verified, it is part of the requirement; and what is refused never goes with
// what is not.
func (d Decision) Key() string {
	parts := []string{d.Level.String(), d.MinVersion.String()}
	for _, check := range d.Checks {
		parts = append(parts, string(check))
	}
	if slices.Contains(d.Checks, CheckDomain) || slices.Contains(d.Checks, CheckHosted) {
		parts = append(parts, "for="+d.Domain.String())
	}
	if d.RetryWithoutTLS {
		parts = append(parts, "retry_without_tls")
	}
	if d.ClearAfterFailedTLS {
		parts = append(parts, "clear_after_failed_tls")
	}
	if d.RequireTLS {
		parts = append(parts, "requiretls")
	}
	if d.Refused != nil {
		parts = append(parts, "refused="+d.Refused.Rule, d.Refused.Code)
	}
	return strings.Join(parts, " ")
}
