package mailaddr

import (
	"net/netip"
	"strings"

	"postern/domain"
)

// EndpointPattern picks peers for the STARTTLS exemption and required lists
// (B25): an address, a network, a host or domain name, or everything within a
// .domain. The zero value matches nothing.
type EndpointPattern struct {
	prefix netip.Prefix
	host   HostPattern
}

// ParseEndpointPattern parses one entry of a STARTTLS list.
func ParseEndpointPattern(s string) (EndpointPattern, error) {
	switch {
	case strings.Contains(s, "/"):
		prefix, err := parseCIDR(s)
		return EndpointPattern{prefix: prefix}, err
	case strings.Contains(s, ":") || isNumeric(s):
		addr, err := parseAddr(s)
		if err != nil {
			return EndpointPattern{}, err
		}
		return EndpointPattern{prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	host, err := ParseHostPattern(s)
	if err == nil && host.IsAll() {
		return EndpointPattern{}, domain.E(domain.Invalid, "%s: a STARTTLS list names single peers; set the TLS level of the default destination control or of the mail flow policy instead", quote(s))
	}
	return EndpointPattern{host: host}, err
}

// MatchAddr reports whether p is an address or network that holds addr. An
// IPv4-mapped IPv6 address counts as IPv4.
func (p EndpointPattern) MatchAddr(addr netip.Addr) bool {
	return p.prefix.Contains(plainAddr(addr))
}

// MatchName reports whether p is a name that picks the given one.
func (p EndpointPattern) MatchName(name DomainName) bool { return p.host.Match(name) }

// Prefix returns the network of an address form, a single address as its full
// length; false for names.
func (p EndpointPattern) Prefix() (netip.Prefix, bool) { return p.prefix, p.prefix.IsValid() }

// Exact returns the one name that p picks; false where p is of another form.
func (p EndpointPattern) Exact() (DomainName, bool) { return p.host.Exact() }

// Suffix returns the domain of which p picks everything strictly below; false
// where p is of another form.
func (p EndpointPattern) Suffix() (DomainName, bool) { return p.host.Suffix() }

// Covers reports whether p picks every peer that other picks.
func (p EndpointPattern) Covers(other EndpointPattern) bool {
	if other.prefix.IsValid() {
		return p.prefix.Overlaps(other.prefix) && p.prefix.Bits() <= other.prefix.Bits()
	}
	return p.host.Covers(other.host)
}

// String returns the text form, which parses to p again.
func (p EndpointPattern) String() string {
	if p.prefix.IsValid() {
		return formatPrefix(p.prefix)
	}
	return p.host.String()
}

// MarshalText returns the text form.
func (p EndpointPattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes the text form.
func (p *EndpointPattern) UnmarshalText(text []byte) error {
	return unmarshal(p, text, ParseEndpointPattern)
}
