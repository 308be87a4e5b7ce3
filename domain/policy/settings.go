package policy

import (
	"fmt"
	"net/netip"

	"postern/domain"
	"postern/domain/mailaddr"
)

// TLSSettings are the master switches of section 1 (B1, B2, B3, B9).
type TLSSettings struct {
	Enabled         bool       `json:"enabled"`           // B1
	SendSTARTTLS    bool       `json:"send_starttls"`     // B2
	RetryWithoutTLS bool       `json:"retry_without_tls"` // B3
	MinVersion      TLSVersion `json:"min_version"`       // B9
	// WriteDigitalID keeps the digital ID files at the active certificate (B47).
	WriteDigitalID bool `json:"write_digital_id"`
}

// DefaultTLSSettings are those of a fresh installation.
func DefaultTLSSettings() TLSSettings { return TLSSettings{MinVersion: tls12} }

const tls12 = TLSVersion(0x0303)

// Validate reports every broken rule of the settings.
func (s TLSSettings) Validate() (f domain.Faults) {
	if s.MinVersion == 0 {
		f.Add("/min_version", "is required: 1.2 is the recommended value")
	}
	return f
}

// QueueSettings say how long and how often delivery is tried (B75).
type QueueSettings struct {
	RetryIntervals     []int `json:"retry_intervals_seconds"`    // the last one repeats
	LifetimeSeconds    int   `json:"lifetime_seconds"`           // then the message bounces
	DelayNoticeSeconds int   `json:"delay_notice_after_seconds"` // 0: no delay notices
	MaxDeliveries      int   `json:"max_deliveries"`             // transactions at a time, all destinations
	// HistorySeconds is how long attempts and finished messages are kept.
	HistorySeconds int `json:"history_seconds"`
}

// DefaultQueueSettings follow RFC 5321 §4.5.4.1: first retries after minutes,
// later ones after half an hour and more, and five days in all.
func DefaultQueueSettings() QueueSettings {
	return QueueSettings{
		RetryIntervals:     []int{300, 900, 1800, 3600, 7200, 14400},
		LifetimeSeconds:    5 * 86400,
		DelayNoticeSeconds: 4 * 3600,
		MaxDeliveries:      200,
		HistorySeconds:     30 * 86400,
	}
}

// Validate reports every broken rule of the settings.
func (s QueueSettings) Validate() (f domain.Faults) {
	if len(s.RetryIntervals) == 0 || len(s.RetryIntervals) > 50 {
		f.Add("/retry_intervals_seconds", "must hold 1 to 50 intervals")
	}
	for i, seconds := range s.RetryIntervals {
		checkRange(&f, fmt.Sprintf("/retry_intervals_seconds/%d", i), seconds, 1, 7*86400)
	}
	checkRange(&f, "/lifetime_seconds", s.LifetimeSeconds, 1, 30*86400)
	checkRange(&f, "/delay_notice_after_seconds", s.DelayNoticeSeconds, 0, 30*86400)
	checkRange(&f, "/max_deliveries", s.MaxDeliveries, 1, 10_000)
	checkRange(&f, "/history_seconds", s.HistorySeconds, 60, 10*365*86400)
	return f
}

// DNSSettings name the resolvers. No servers means those of the machine.
type DNSSettings struct {
	Servers []string `json:"servers"` // "address:port"
	// Trusted are resolvers off this machine whose AD bit is believed (B63).
	Trusted []netip.Addr `json:"trusted"`
	// SignedName and BogusName are the names by which a resolver shows whether it
	// validates; empty: the root, and a public name that is kept broken for that.
	SignedName string `json:"signed_name,omitempty"`
	BogusName  string `json:"bogus_name,omitempty"`
}

// Validate reports every broken rule of the settings.
func (s DNSSettings) Validate() (f domain.Faults) {
	if len(s.Servers) > 10 {
		f.Add("/servers", "may name at most 10 resolvers")
	}
	for i, server := range s.Servers {
		if _, err := netip.ParseAddrPort(server); err != nil {
			f.Add(fmt.Sprintf("/servers/%d", i), "%q is no address with port: write 127.0.0.1:53 or [::1]:53", server)
		}
	}
	if s.SignedName != "." {
		checkDNSName(&f, "/signed_name", s.SignedName)
	}
	checkDNSName(&f, "/bogus_name", s.BogusName)
	return f
}

// checkDNSName reports what is no domain name; empty is none to check.
func checkDNSName(f *domain.Faults, pointer, name string) {
	if name == "" {
		return
	}
	if _, err := mailaddr.ParseDomainName(name); err != nil {
		f.Add(pointer, "%q is no domain name", name)
	}
}

// OutboundSettings say how we present ourselves to next hops.
type OutboundSettings struct {
	HostName mailaddr.DomainName `json:"host_name"` // EHLO, DSN, Reporting-MTA
	// OwnAddresses are further addresses by which MX records may point back at
	// us (NAT); worse priorities are cut there (B33).
	OwnAddresses []netip.Addr `json:"own_addresses"`
	// CertificateID is what we show to servers that ask who we are; empty: the
	// active one (B41).
	CertificateID string `json:"certificate_id"`
}

// Validate reports every broken rule of the settings.
func (s OutboundSettings) Validate() (f domain.Faults) {
	if s.HostName == "" {
		f.Add("/host_name", "is required: the name we say in EHLO, as mail.example.com")
	}
	return f
}

// Settings are all sections together, as a snapshot holds them.
type Settings struct {
	TLS      TLSSettings
	Queue    QueueSettings
	DNS      DNSSettings
	Outbound OutboundSettings
	Alerts   AlertSettings
	// RequireTLS are the switches of REQUIRETLS (B4).
	RequireTLS RequireTLSSettings

	Inspection InspectionSettings

	PublicWeb  PublicWebSettings
	Management ManagementSettings

	ACME ACMESettings

	MTASTS MTASTSSettings
}
