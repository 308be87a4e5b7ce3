package mailaddr

import (
	"strings"

	"postern/domain"
)

// AddressPattern picks sender addresses of an envelope for the list of those
// that must use TLS (B14, B17):
//
//	user@example.com  the one address
//	@example.com      every address of the domain
//	@.example.com     every address of the domains below, not of it itself
//
// The zero value matches nothing.
type AddressPattern struct {
	local string // content of the local part; empty: any
	host  HostPattern
}

// ParseAddressPattern parses one pattern.
func ParseAddressPattern(s string) (AddressPattern, error) {
	if host, whole := strings.CutPrefix(s, "@"); whole {
		return parseAddressesOf(s, host)
	}
	m, err := ParseMailbox(s)
	switch {
	case err != nil:
		return AddressPattern{}, err
	case m.Literal.IsValid():
		return AddressPattern{}, domain.E(domain.Invalid, "%s: behind the @ must stand a domain, not an IP address", quote(s))
	case m.Local == "":
		return AddressPattern{}, domain.E(domain.Invalid, "%s: the part before @ is empty; leave the quotes out for every address of the domain", quote(s))
	}
	host, err := parseAddressHost(s, m.Domain.String())
	return AddressPattern{local: m.Local, host: host}, err
}

// parseAddressesOf parses what stands behind the @ of a pattern for all the
// addresses of a domain.
func parseAddressesOf(s, host string) (AddressPattern, error) {
	if strings.HasPrefix(host, "[") {
		return AddressPattern{}, domain.E(domain.Invalid, "%s: behind the @ must stand a domain, not an IP address", quote(s))
	}
	pattern, err := parseAddressHost(s, host)
	return AddressPattern{host: pattern}, err
}

// parseAddressHost refuses the words for every domain: who means all senders
// sets the TLS mode of the mail flow policy.
func parseAddressHost(s, host string) (HostPattern, error) {
	pattern, err := ParseHostPattern(host)
	if err == nil && pattern.IsAll() {
		return HostPattern{}, domain.E(domain.Invalid, "%s: to demand TLS of every sender, set the TLS mode of the mail flow policy to required", quote(s))
	}
	return pattern, err
}

// Match reports whether p picks the address. Case does not count in the local
// part: only its own host may tell two spellings apart (RFC 5321 §2.4), and a
// demand for TLS must not be lifted by a capital letter. The null sender and
// address literals are never picked.
func (p AddressPattern) Match(m Mailbox) bool {
	if m.Domain == "" || !p.host.Match(m.Domain) {
		return false
	}
	return p.local == "" || strings.EqualFold(p.local, m.Local)
}

// String returns the text form, which parses to p again.
func (p AddressPattern) String() string {
	if p == (AddressPattern{}) {
		return ""
	}
	if p.local == "" {
		return "@" + p.host.String()
	}
	return quoteLocal(p.local) + "@" + p.host.String()
}

// MarshalText returns the text form.
func (p AddressPattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes the text form.
func (p *AddressPattern) UnmarshalText(text []byte) error {
	return unmarshal(p, text, ParseAddressPattern)
}
