package policy

import (
	"slices"
	"strings"
	"time"

	"postern/domain/mailaddr"
)

// MTASTSState is what the recipient domain's MTA-STS policy says of a
// candidate host (B60).
type MTASTSState uint8

// The MTA-STS states.
const (
	MTASTSNone     MTASTSState = iota // no policy, or mode none
	MTASTSTesting                     // mode testing: never decides
	MTASTSEnforce                     // mode enforce, the host is listed
	MTASTSUnlisted                    // mode enforce, the host is not listed
)

var mtaSTSStateNames = [...]string{"none", "testing", "enforce", "unlisted"}

// String returns the state's name.
func (s MTASTSState) String() string { return nameOf(mtaSTSStateNames[:], s) }

// ProfileRequirement is what a server profile asks of its connections (B32).
type ProfileRequirement struct {
	Name  string
	Level TLSLevel
	Check Check // CheckMXHost where the peer must be trusted as the URI's host
	// Optional grants clear text on a new connection where TLS failed.
	Optional bool
}

// OutboundInputs is everything that bears on how one recipient domain's mail
// may go to one candidate host: plain values, no I/O.
type OutboundInputs struct {
	Domain mailaddr.DomainName
	TLS    TLSSettings
	// Control is the destination control with inheritance resolved.
	Control DestinationControl
	// LevelIsDefault says that the control has its level from the entry "default",
	// which B2 raises.
	LevelIsDefault bool
	// ReportOnly is a level that does not act (B72); nil where there is none.
	ReportOnly *ReportOnlyLevel
	// Exemption and Requirement are the list entries in force that match the
	// recipient domain, the host or its address; nil where none does (B25).
	Exemption   *STARTTLSEntry
	Requirement *STARTTLSEntry
	// RemoteOverride is the reason for which MTA-STS and DANE are lifted by the
	// destination control; empty where they are not.
	RemoteOverride string
	// Routed says that a route which is not the policy domain leads to the
	// host, so that MTA-STS and DANE do not apply (B31).
	Routed        bool
	Profile       *ProfileRequirement
	DANE          DANEState
	MTASTS        MTASTSState
	SecureMX      bool // the host was found by DNSSEC or is listed by MTA-STS
	RequireTLS    bool // the message is flagged REQUIRETLS (B55)
	TLSRequiredNo bool // the message says TLS-Required: No (B58)
}

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

// claim is what one rule asks for, before the rules are weighed.
type claim struct {
	reason Reason
	level  TLSLevel
	check  Check
}

// Effective weighs every rule that speaks about a destination and returns the
// strictest requirement, with the reasons (B27). It never grants clear text
// where any rule in force asks for TLS.
func Effective(in OutboundInputs) Decision {
	if in.Control.DANE == DANEOff {
		in.DANE = DANEUnknown // B21
	}
	d := Decision{
		Domain:     in.Domain,
		MinVersion: in.Control.MinVersion.Or(in.TLS.MinVersion),
	}
	claims := claimsOf(in)
	d.Level = strictest(claims)
	winner := d.settle(claims)
	d.exempt(in, winner)
	d.BounceAtOnce = d.Mandatory() && (in.Control.BounceAtOnce || in.Requirement != nil && in.Requirement.BounceAtOnce)
	// B24: the one-hour list is for opportunistic levels only.
	d.RetryWithoutTLS = in.TLS.RetryWithoutTLS && d.opportunistic()
	// B32: optional STARTTLS of a server profile, where no other rule makes TLS
	// mandatory.
	d.ClearAfterFailedTLS = in.Profile != nil && in.Profile.Optional && d.opportunistic()
	d.RequireTLS = in.RequireTLS
	d.Refused = refusal(in, d)
	d.switchOff(in, winner)
	d.demandDANE(in)
	d.report(in.ReportOnly)
	return d
}

// claimsOf lists what each rule in force asks for, in the order in which an
// administrator would look for them.
func claimsOf(in OutboundInputs) []claim {
	claims := []claim{controlClaim(in)}
	if in.Profile != nil {
		claims = append(claims, claim{
			reason: Reason{Rule: "server_profile", Entry: in.Profile.Name, Asks: in.Profile.Level.String()},
			level:  in.Profile.Level, check: in.Profile.Check,
		})
	}
	if in.Requirement != nil {
		// B25: encrypted or deferred; the certificate is not checked.
		claims = append(claims, claim{
			reason: in.Requirement.reason("starttls_requirement", "required"),
			level:  TLSRequired,
		})
	}
	claims = append(claims, remoteClaims(in)...)
	if in.RequireTLS {
		claims = append(claims, requireTLSClaim(in))
	}
	return claims
}

func controlClaim(in OutboundInputs) claim {
	level := TLSNone
	if in.Control.TLSLevel != nil {
		level = *in.Control.TLSLevel
	}
	c := claim{
		reason: Reason{Rule: "destination_control", Entry: in.Control.Pattern.String(), Asks: level.String()},
		level:  level,
	}
	// B2: the default destination control acts as preferred, for those too that
	// inherit from it.
	if in.TLS.SendSTARTTLS && in.LevelIsDefault && level == TLSNone {
		c.level = TLSPreferred
		c.reason = Reason{Rule: "tls.send_starttls", Entry: "default", Asks: "preferred"}
	}
	switch level {
	case TLSRequiredVerify:
		c.check = CheckDomain
	case TLSRequiredVerifyHosted:
		c.check = CheckHosted
	}
	return c
}

// remoteClaims are those that the recipient domain publishes: DANE, and
// MTA-STS where DANE has not decided already (B63, RFC 8461 §2).
func remoteClaims(in OutboundInputs) []claim {
	lifted := in.remoteLiftedBy()
	var claims []claim
	if in.DANE == DANEUsable || in.DANE == DANEUnusable {
		c := claim{
			reason: Reason{Rule: "dane", Entry: in.DANE.String(), Asks: "required", OverruledBy: lifted},
			level:  TLSRequired,
		}
		if in.DANE == DANEUsable {
			c.check, c.reason.Asks = CheckDANE, "required, authenticated by TLSA"
		}
		claims = append(claims, c)
	}
	if in.MTASTS == MTASTSEnforce || in.MTASTS == MTASTSUnlisted {
		c := claim{
			reason: Reason{Rule: "mta_sts", Entry: in.MTASTS.String(), Asks: "required, verified as the MX host", OverruledBy: lifted},
			level:  TLSRequired, check: CheckMXHost,
		}
		if lifted == "" && in.DANE == DANEUsable {
			c.reason.OverruledBy = "dane"
		}
		claims = append(claims, c)
	}
	return claims
}

// remoteLiftedBy names the rule that lifts MTA-STS and DANE, if any does
// (B21, B26, B31, B58). REQUIRETLS keeps them in force.
func (in OutboundInputs) remoteLiftedBy() string {
	switch {
	case in.Routed:
		return "route"
	case in.RequireTLS:
		return ""
	case in.RemoteOverride != "":
		return "destination_control.override_remote_policy"
	case in.Exemption != nil && in.Exemption.OverrideRemotePolicy:
		return "starttls_exemption.override_remote_policy"
	case in.TLSRequiredNo:
		return "tls_required_no"
	}
	return ""
}

// requireTLSClaim is RFC 8689 §2: TLS, and a certificate that matches the MX
// host or its TLSA records (B56).
func requireTLSClaim(in OutboundInputs) claim {
	c := claim{
		reason: Reason{Rule: "requiretls", Asks: "required, verified as the MX host"},
		level:  TLSRequired, check: CheckMXHost,
	}
	if in.DANE == DANEUsable && !in.Routed {
		c.check = CheckDANE
	}
	return c
}

// strictest returns the highest level that a claim in force asks for.
func strictest(claims []claim) TLSLevel {
	level := TLSNone
	for _, c := range claims {
		if c.reason.OverruledBy == "" {
			level = max(level, c.level)
		}
	}
	return level
}

// settle takes over the checks and reasons of the claims, and returns the first
// rule that asks for the level. A claim weaker than that, with no check of its
// own, was overruled by it.
func (d *Decision) settle(claims []claim) (winner string) {
	for _, c := range claims {
		if c.reason.OverruledBy == "" && c.level == d.Level && winner == "" {
			winner = c.reason.Rule
		}
	}
	for _, c := range claims {
		switch {
		case c.reason.OverruledBy != "":
		case c.check != CheckNothing:
			if !slices.Contains(d.Checks, c.check) {
				d.Checks = append(d.Checks, c.check)
			}
		case c.level < d.Level:
			c.reason.OverruledBy = winner
		}
		d.Reasons = append(d.Reasons, c.reason)
	}
	return winner
}

// exempt applies the STARTTLS exemption list: it ends opportunistic TLS, and
// loses against everything mandatory (B25, B26).
func (d *Decision) exempt(in OutboundInputs, winner string) {
	if in.Exemption == nil {
		return
	}
	reason := in.Exemption.reason("starttls_exemption", "none")
	if d.Mandatory() {
		reason.OverruledBy = winner
		d.Reasons = append(d.Reasons, reason)
		return
	}
	for i := range d.Reasons {
		if d.Reasons[i].OverruledBy == "" && d.Level > TLSNone {
			d.Reasons[i].OverruledBy = reason.Rule
		}
	}
	d.Level = TLSNone
	d.Reasons = append(d.Reasons, reason)
}

// switchOff applies the master switch: nothing is encrypted, and what must be
// encrypted waits (B1).
func (d *Decision) switchOff(in OutboundInputs, winner string) {
	if in.TLS.Enabled {
		return
	}
	reason := Reason{Rule: "tls.enabled", Entry: "false", Asks: "none"}
	if d.Mandatory() {
		d.Refused = &Refusal{
			Rule: reason.Rule, Code: "4.7.4",
			Detail: "TLS is switched off here, and " + winner + " makes it mandatory",
		}
		d.Reasons = append(d.Reasons, reason)
		return
	}
	for i := range d.Reasons {
		if d.Reasons[i].OverruledBy == "" && d.Level > TLSNone {
			d.Reasons[i].OverruledBy = reason.Rule
		}
	}
	d.Level, d.RetryWithoutTLS, d.ClearAfterFailedTLS = TLSNone, false, false
	d.Reasons = append(d.Reasons, reason)
}

// refusal names the first thing that bars the host altogether.
func refusal(in OutboundInputs, d Decision) *Refusal {
	remote := in.remoteLiftedBy() == ""
	switch {
	case in.RequireTLS && !in.SecureMX:
		return &Refusal{Rule: "requiretls", Code: "5.7.10", Detail: "neither MTA-STS nor DNSSEC vouches for the MX host"}
	case remote && in.DANE == DANEFailed:
		return &Refusal{Rule: "dane", Code: "4.7.5", Detail: "the DNSSEC look-up for the host failed"}
	case remote && in.Control.DANE == DANEMandatory && in.DANE != DANEUsable:
		return &Refusal{Rule: "destination_control", Code: "4.7.5", Detail: "DANE is mandatory and the host has no usable TLSA record"}
	case remote && in.MTASTS == MTASTSUnlisted && in.DANE != DANEUsable:
		return &Refusal{Rule: "mta_sts", Code: "4.7.5", Detail: "the MTA-STS policy does not list the host"}
	}
	return nil
}
