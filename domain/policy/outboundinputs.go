package policy

import "postern/domain/mailaddr"

// MTASTSState is what the recipient domain's MTA-STS policy says of a
// candidate host (B60).
type MTASTSState uint8

// The MTA-STS states.
const (
	MTASTSNone     MTASTSState = iota // no policy, or mode none
	MTASTSTesting                     // mode testing: never decides
	MTASTSEnforce                     // mode enforce, the host is listed
	MTASTSUnlisted                    // mode enforce, the host is not listed
	MTASTSUnknown                     // it could not be found out: this domain must wait
)

var mtaSTSStateNames = [...]string{"none", "testing", "enforce", "unlisted", "unknown"}

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
	Routed bool
	// Configured says that the configuration names the host, and not DNS.
	Configured bool
	Profile    *ProfileRequirement
	DANE       DANEState
	// DANEDetail says why DANE failed, or is absent; empty where nothing is to say.
	DANEDetail string
	// UnsignedMX says that the MX records which name the host are not signed: its
	// TLSA records bind, yet whoever forges MX records may name a host of his own
	// (RFC 7672 §2.2.1).
	UnsignedMX    bool
	MTASTS        MTASTSState
	SecureMX      bool // the host was found by DNSSEC or is listed by MTA-STS
	RequireTLS    bool // the message is flagged REQUIRETLS (B55)
	TLSRequiredNo bool // the message says TLS-Required: No (B58)
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
	case in.TLSRequiredNo && in.headerIgnoredFor() == "":
		return liftedByHeader
	}
	return ""
}
