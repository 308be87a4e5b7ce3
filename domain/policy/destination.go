package policy

import (
	"strings"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// Override lifts what a recipient domain demands of us by MTA-STS or DANE; it
// never lifts REQUIRETLS (B21, B26).
type Override struct {
	Reason  string     `json:"reason"`
	Expires *time.Time `json:"expires,omitempty"`
}

// Active reports whether the override is in force at the time.
func (o *Override) Active(now time.Time) bool {
	return o != nil && (o.Expires == nil || now.Before(*o.Expires))
}

func (o *Override) validate() (f domain.Faults) {
	if o != nil && isBlank(o.Reason) {
		f.Add("/reason", "is required: why the published policy of the domain is overridden")
	}
	return f
}

// isBlank reports whether a text says nothing to a person.
func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// warnExpired tells of an entry that has ended before it began.
func warnExpired(expires *time.Time, now time.Time) (f domain.Faults) {
	if expires != nil && !now.Before(*expires) {
		f.Add("/expires", "is not in the future: the entry is not in force")
	}
	return f
}

// DestinationControl says how mail for a recipient domain leaves (B21). Nil
// and zero fields inherit from the entry "default".
type DestinationControl struct {
	Pattern  mailaddr.HostPattern `json:"pattern"` // exact, .suffix or default
	TLSLevel *TLSLevel            `json:"tls_level,omitempty"`
	DANE     DANEMode             `json:"dane,omitempty"`
	// MinVersion is the lowest TLS version accepted from this destination.
	MinVersion            TLSVersion `json:"min_tls_version,omitempty"`
	MaxConnections        int        `json:"max_connections,omitempty"`
	MessagesPerConnection int        `json:"messages_per_connection,omitempty"`
	// RecipientRate bounds the recipients that are tried in a time; nil inherits.
	RecipientRate *RecipientRate `json:"recipients_per_minutes,omitempty"`
	// LimitPer says of what MaxConnections and RecipientRate are the limits;
	// empty inherits.
	LimitPer LimitScope `json:"limit_per,omitempty"`
	// BounceAtOnce bounces instead of deferring when mandatory TLS fails (B28).
	BounceAtOnce bool `json:"bounce_at_once,omitempty"`
	// ReportOnly keeps TLSLevel from acting: mail leaves as if it were unset, and
	// what it would have held back is counted (B72).
	ReportOnly           bool      `json:"report_only,omitempty"`
	OverrideRemotePolicy *Override `json:"override_remote_policy,omitempty"`
	Description          string    `json:"description,omitempty"`
}

// DANEMode is the DANE part of a destination control (B21).
type DANEMode string

// The DANE modes; the empty one inherits.
const (
	DANEInherit       DANEMode = ""
	DANEOff           DANEMode = "off"
	DANEOpportunistic DANEMode = "opportunistic"
	DANEMandatory     DANEMode = "mandatory"
)

// Validate reports every broken rule of the entry by itself.
func (d DestinationControl) Validate() (f domain.Faults) {
	checkCatchAll(&f, d.Pattern, "default") // B21
	checkOneOf(&f, "/dane", d.DANE, DANEInherit, DANEOff, DANEOpportunistic, DANEMandatory)
	checkRange(&f, "/max_connections", d.MaxConnections, 0, 1000)
	checkRange(&f, "/messages_per_connection", d.MessagesPerConnection, 0, 1_000_000)
	f.Merge("/recipients_per_minutes", d.RecipientRate.validate())
	checkOneOf(&f, "/limit_per", d.LimitPer, LimitInherit, LimitPerDomain, LimitPerMXAddress)
	checkText(&f, "/description", d.Description)
	f.Merge("/override_remote_policy", d.OverrideRemotePolicy.validate())
	if d.ReportOnly && d.TLSLevel == nil {
		f.Add("/report_only", "needs a tls_level to report on")
	}
	if d.DANE == DANEMandatory && d.TLSLevel != nil && *d.TLSLevel == TLSNone {
		f.Add("/tls_level", "none contradicts mandatory DANE: choose one")
	}
	return f
}

// Warnings tells what the entry asks for in vain at the time.
func (d DestinationControl) Warnings(now time.Time) (f domain.Faults) {
	if d.OverrideRemotePolicy != nil {
		f.Merge("/override_remote_policy", warnExpired(d.OverrideRemotePolicy.Expires, now))
	}
	return f
}

// Acting returns the entry as it acts: without a level that only reports.
func (d DestinationControl) Acting() DestinationControl {
	if d.ReportOnly {
		d.TLSLevel = nil
	}
	return d
}

// checkCatchAll holds the pattern for all domains to one word in each list: two
// entries for all would contend, and the one that decides would hide the other.
func checkCatchAll(f *domain.Faults, p mailaddr.HostPattern, word string) {
	if p.IsAll() && p.String() != word {
		f.Add("/pattern", "the entry for all domains is called %s here", word)
	}
}

// Inherit returns the entry with unset fields taken from base.
func (d DestinationControl) Inherit(base DestinationControl) DestinationControl {
	inherit(&d.TLSLevel, base.TLSLevel)
	inherit(&d.DANE, base.DANE)
	inherit(&d.MinVersion, base.MinVersion)
	inherit(&d.MaxConnections, base.MaxConnections)
	inherit(&d.MessagesPerConnection, base.MessagesPerConnection)
	inherit(&d.RecipientRate, base.RecipientRate)
	inherit(&d.LimitPer, base.LimitPer)
	return d
}

// BuiltInDestination is what the entry "default" falls back to: no TLS (B8).
func BuiltInDestination() DestinationControl {
	none := TLSNone
	return DestinationControl{
		TLSLevel:              &none,
		DANE:                  DANEOpportunistic,
		MaxConnections:        20,
		MessagesPerConnection: 1000,
		LimitPer:              LimitPerDomain,
	}
}

// STARTTLSEntry is an entry of the STARTTLS exemption list or of the STARTTLS
// required list (B25).
type STARTTLSEntry struct {
	Pattern mailaddr.EndpointPattern `json:"pattern"`
	Reason  string                   `json:"reason"`
	Expires *time.Time               `json:"expires,omitempty"`
	// OverrideRemotePolicy lifts MTA-STS and DANE too; exemptions only (B26).
	OverrideRemotePolicy bool `json:"override_remote_policy,omitempty"`
	// BounceAtOnce bounces instead of deferring; requirements only (B28).
	BounceAtOnce bool `json:"bounce_at_once,omitempty"`
}

// Active reports whether the entry is in force at the time.
func (e STARTTLSEntry) Active(now time.Time) bool {
	return e.Expires == nil || now.Before(*e.Expires)
}

// reason is the entry's part in a decision, with what an administrator said
// about it.
func (e STARTTLSEntry) reason(rule, asks string) Reason {
	return Reason{Rule: rule, Entry: e.Pattern.String(), Asks: asks, Because: e.Reason, Expires: e.Expires}
}

// Validate reports every broken rule of the entry by itself.
func (e STARTTLSEntry) Validate() (f domain.Faults) {
	if isBlank(e.Reason) {
		f.Add("/reason", "is required: why this entry exists")
	}
	checkText(&f, "/reason", e.Reason)
	return f
}

// Warnings tells of an entry that is not in force at the time.
func (e STARTTLSEntry) Warnings(now time.Time) domain.Faults { return warnExpired(e.Expires, now) }

// HostedDomain is a recipient domain for which public listeners take mail (B18).
type HostedDomain struct {
	Name        mailaddr.DomainName `json:"name"`
	Description string              `json:"description,omitempty"`
}

// Validate reports every broken rule of the domain by itself.
func (d HostedDomain) Validate() (f domain.Faults) {
	if d.Name == "" {
		f.Add("/name", "is required: a domain name")
	}
	checkText(&f, "/description", d.Description)
	return f
}
