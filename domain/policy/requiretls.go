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
