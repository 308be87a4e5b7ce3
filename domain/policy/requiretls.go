package policy

import (
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// RequireTLSSettings are the switches of REQUIRETLS (B4, B55).
type RequireTLSSettings struct {
	// Enabled is the master switch. Off: nothing is flagged, and addresses with
	// the tag are addresses like any other.
	Enabled bool `json:"enabled"`
	// StripTag takes the tag off the address before the mail is sent on.
	StripTag bool `json:"strip_tag"`
}

// DefaultRequireTLSSettings are those of a fresh installation (B4).
func DefaultRequireTLSSettings() RequireTLSSettings { return RequireTLSSettings{Enabled: true} }

// Validate reports every broken rule of the settings: there is none to break.
func (RequireTLSSettings) Validate() domain.Faults { return nil }

// requireTLSTag marks a recipient of mail that must not travel in clear (B55).
const requireTLSTag = "+requiretls"

// Tagged reports whether a recipient is flagged by its address, and returns the
// address to send to: local+requiretls@domain, in any case of letters (B55).
func (s RequireTLSSettings) Tagged(to mailaddr.Mailbox) (mailaddr.Mailbox, bool) {
	cut := len(to.Local) - len(requireTLSTag)
	if !s.Enabled || cut <= 0 || !strings.EqualFold(to.Local[cut:], requireTLSTag) {
		return to, false
	}
	if s.StripTag {
		to.Local = to.Local[:cut]
	}
	return to, true
}
