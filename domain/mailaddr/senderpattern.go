package mailaddr

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"postern/domain"
)

// SenderPattern picks clients for a sender group of the host access table
// (B13). Its forms are those of ESA:
//
//	192.0.2.1  2001:db8::1       an address
//	192.0.2.   10.1.   10.       a partial IPv4 address
//	192.0.2.10-20                a range in the last octet
//	192.0.2.0/24  2001:db8::/32  a network
//	mail.example.com             a client with that confirmed name
//	.example.com                 a client with a confirmed name within
//	ALL                          every client
//
// The zero value matches nothing.
type SenderPattern struct {
	text  string      // canonical text form
	addrs addrRange   // of the address forms
	host  HostPattern // of the name forms and ALL
}

// ParseSenderPattern parses one entry of a sender group.
func ParseSenderPattern(s string) (SenderPattern, error) {
	switch {
	case strings.Contains(s, "/"):
		return parseSenderNetwork(s)
	case strings.Contains(s, ":"):
		return parseSenderAddr(s)
	case !isNumeric(s):
		return parseSenderHost(s)
	case strings.HasSuffix(s, "."):
		return parsePartial(s)
	case strings.Contains(s, "-"):
		return parseOctetRange(s)
	default:
		return parseSenderAddr(s)
	}
}

// isNumeric reports whether s is meant as IPv4 in one of its forms and not as a
// host name.
func isNumeric(s string) bool {
	return s != "" && isDigit(s[0]) && strings.Trim(s, "0123456789.-") == ""
}

func parseSenderNetwork(s string) (SenderPattern, error) {
	prefix, err := parseCIDR(s)
	if err != nil {
		return SenderPattern{}, err
	}
	return SenderPattern{text: formatPrefix(prefix), addrs: rangeOfPrefix(prefix)}, nil
}

func parseSenderAddr(s string) (SenderPattern, error) {
	if isNumeric(s) && strings.Count(s, ".") < 3 {
		return SenderPattern{}, domain.E(domain.Invalid, "%s: a partial address ends with a dot: use %s.", quote(s), s)
	}
	addr, err := parseAddr(s)
	if err != nil {
		return SenderPattern{}, err
	}
	return SenderPattern{text: addr.String(), addrs: addrRange{addr, addr}}, nil
}

func parseSenderHost(s string) (SenderPattern, error) {
	// The host access table knows one word for all, so that it has one text.
	if strings.EqualFold(s, catchAllDestinations) {
		return SenderPattern{}, domain.E(domain.Invalid, "%s: write ALL for every client", quote(s))
	}
	host, err := ParseHostPattern(s)
	if err != nil {
		return SenderPattern{}, err
	}
	return SenderPattern{text: host.String(), host: host}, nil
}

// parsePartial parses one to three octets, each with its dot.
func parsePartial(s string) (SenderPattern, error) {
	octets := strings.Count(s, ".")
	padding := []string{"", "0.0.0", "0.0", "0"}
	if octets >= len(padding) {
		return SenderPattern{}, domain.E(domain.Invalid, "%s has too many octets: a partial address has one to three, as in 192.0.2.", quote(s))
	}
	first, err := netip.ParseAddr(s + padding[octets])
	if err != nil {
		return SenderPattern{}, domain.E(domain.Invalid, "%s is no partial address: write it as 192.0.2. or 10.", quote(s))
	}
	return SenderPattern{text: s, addrs: rangeOfPrefix(netip.PrefixFrom(first, 8*octets))}, nil
}

// parseOctetRange parses "192.0.2.10-20".
func parseOctetRange(s string) (SenderPattern, error) {
	from, to, _ := strings.Cut(s, "-")
	first, err := netip.ParseAddr(from)
	if err != nil {
		return SenderPattern{}, badRange(s)
	}
	octets := first.As4()
	octets[3], err = parseOctet(to)
	last := netip.AddrFrom4(octets)
	switch {
	case err != nil:
		return SenderPattern{}, badRange(s)
	case last.Less(first):
		return SenderPattern{}, domain.E(domain.Invalid, "%s runs backwards: put the lower number first", quote(s))
	}
	return SenderPattern{text: fmt.Sprintf("%s-%d", first, octets[3]), addrs: addrRange{first, last}}, nil
}

// parseOctet parses a decimal octet without leading zeros.
func parseOctet(s string) (byte, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err == nil && strconv.FormatUint(n, 10) != s {
		err = strconv.ErrSyntax
	}
	return byte(n), err
}

func badRange(s string) error {
	return domain.E(domain.Invalid, "%s is no range: write it as 192.0.2.10-20", quote(s))
}

// Match reports whether p picks a client. The names must be forward-confirmed
// PTR names of addr: B13 forbids to match what a client says of itself.
func (p SenderPattern) Match(addr netip.Addr, confirmed []DomainName) bool {
	if p.IsAll() || p.addrs.contains(plainAddr(addr)) {
		return true
	}
	for _, name := range confirmed {
		if p.host.Match(name) {
			return true
		}
	}
	return false
}

// Prefixes returns the networks that make up an address form, for an index of
// patterns; nil for names and ALL.
func (p SenderPattern) Prefixes() []netip.Prefix { return p.addrs.prefixes() }

// Host returns the name form; false where p is an address form or ALL.
func (p SenderPattern) Host() (HostPattern, bool) {
	return p.host, p.host != HostPattern{} && !p.IsAll()
}

// IsAll reports whether p picks every client.
func (p SenderPattern) IsAll() bool { return p.host.IsAll() }

// Covers reports whether p picks every client that other picks, so that other
// can never apply behind p (B13).
func (p SenderPattern) Covers(other SenderPattern) bool {
	if p.IsAll() {
		return other != SenderPattern{}
	}
	return p.addrs.covers(other.addrs) || p.host.Covers(other.host)
}

// String returns the text form, which parses to p again.
func (p SenderPattern) String() string { return p.text }

// MarshalText returns the text form.
func (p SenderPattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText takes the text form.
func (p *SenderPattern) UnmarshalText(text []byte) error {
	return unmarshal(p, text, ParseSenderPattern)
}
