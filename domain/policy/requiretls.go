package policy

import (
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// RequireTLSSettings are the switches of REQUIRETLS (B4, B55).
type RequireTLSSettings struct {
	// Enabled is the master switch. Off: REQUIRETLS is not offered, nothing is
	// flagged, addresses with the tag are addresses like any other, and the header
	// TLS-Required lifts nothing.
	Enabled bool `json:"enabled"`
	// StripTag takes the tag off the address before the mail is sent on.
	StripTag bool `json:"strip_tag"`
}

// vouchedFor reports whether the host is known to be the right one, so that a
// certificate in its name proves something (B56). RFC 8689 §4.2.1: MX records
// need DNSSEC or MTA-STS; the next hop that a route names comes from the
// administrator, and no answer of DNS can put another in its place.
func (in OutboundInputs) vouchedFor() bool { return in.SecureMX || in.Configured }

// headerIgnoredFor names the rule against which TLS-Required: No does not count
// (B58): the request of the client, since both cannot be had (RFC 8689 §4.1), and
// an administrator's demand, which no author of a message may lift. Empty where
// the header counts.
func (in OutboundInputs) headerIgnoredFor() string {
	switch {
	case in.RequireTLS:
		return "requiretls"
	case in.Control.DANE == DANEMandatory:
		return "destination_control.dane"
	}
	return ""
}

// liftedByHeader is the rule of TLS-Required: No.
const liftedByHeader = "tls_required_no"

// headerClaim is what remains where the header lifts MTA-STS or DANE: TLS is still
// tried, and need not succeed (RFC 8689 §4.2.2).
func headerClaim() claim {
	return claim{reason: Reason{Rule: liftedByHeader, Asks: TLSPreferred.String()}, level: TLSPreferred}
}

// passOverHeader tells of a TLS-Required: No that does not count. One that does
// is named by the rules that it lifts.
func (d *Decision) passOverHeader(in OutboundInputs) {
	if by := in.headerIgnoredFor(); in.TLSRequiredNo && by != "" {
		d.Reasons = append(d.Reasons, Reason{Rule: liftedByHeader, Asks: "delivery without MTA-STS and DANE", OverruledBy: by})
	}
}

// DefaultRequireTLSSettings are those of a fresh installation (B4).
func DefaultRequireTLSSettings() RequireTLSSettings { return RequireTLSSettings{Enabled: true} }

// Validate reports every broken rule of the settings: there is none to break.
func (RequireTLSSettings) Validate() domain.Faults { return nil }

// requireTLSTag marks a recipient of mail that must not travel in clear (B55).
const requireTLSTag = "requiretls"

// Tagged reports whether a recipient is flagged by its address, and returns the
// address to send to: local+requiretls@domain, in any case of letters (B55). The
// tag may be one of several, as in local+requiretls+news@domain, whatever their
// order: who wrote it asked for TLS, and mail that goes in clear for a tag in the
// wrong place cannot be called back.
func (s RequireTLSSettings) Tagged(to mailaddr.Mailbox) (mailaddr.Mailbox, bool) {
	if !s.Enabled {
		return to, false
	}
	local, tagged := cutTag(to.Local)
	if tagged && s.StripTag {
		to.Local = local
	}
	return to, tagged
}

// cutTag takes the tag out of a local part, which must not consist of it alone.
func cutTag(local string) (rest string, found bool) {
	parts := strings.Split(local, "+")
	kept := parts[:1]
	for _, tag := range parts[1:] {
		if strings.EqualFold(tag, requireTLSTag) {
			found = true
		} else {
			kept = append(kept, tag)
		}
	}
	rest = strings.Join(kept, "+")
	return rest, found && rest != ""
}
