package mailaddr

import (
	"net/netip"

	"postern/domain"
)

// addrRange is the addresses from first to last, both included and of one
// family. Every address form of a pattern is one range, so that matching and
// covering are two comparisons. The zero value is empty.
type addrRange struct {
	first, last netip.Addr
}

func rangeOfPrefix(p netip.Prefix) addrRange {
	return addrRange{first: p.Addr(), last: lastAddr(p)}
}

// lastAddr returns the highest address of a masked prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}

func (r addrRange) isEmpty() bool { return !r.first.IsValid() }

// contains reports whether addr lies in r. Addresses of different families
// never compare as between, because netip orders by family first.
func (r addrRange) contains(addr netip.Addr) bool {
	return !r.isEmpty() && r.first.Compare(addr) <= 0 && addr.Compare(r.last) <= 0
}

func (r addrRange) covers(other addrRange) bool {
	return r.contains(other.first) && r.contains(other.last)
}

// prefixes splits r into the fewest prefixes that make it up, in order.
func (r addrRange) prefixes() []netip.Prefix {
	var list []netip.Prefix
	for next := r.first; next.IsValid() && next.Compare(r.last) <= 0; {
		widest := r.widestAt(next)
		list = append(list, widest)
		next = lastAddr(widest).Next()
	}
	return list
}

// widestAt returns the widest prefix that begins at first and stays in r.
func (r addrRange) widestAt(first netip.Addr) netip.Prefix {
	widest := netip.PrefixFrom(first, first.BitLen())
	for bits := widest.Bits() - 1; bits >= 0; bits-- {
		wider := netip.PrefixFrom(first, bits)
		if wider.Masked().Addr() != first || lastAddr(wider).Compare(r.last) > 0 {
			break
		}
		widest = wider
	}
	return widest
}

// plainAddr returns addr as patterns hold it: an IPv4-mapped IPv6 address as
// IPv4, and no zone.
func plainAddr(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// parseAddr parses a single address of a pattern.
func parseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, domain.E(domain.Invalid, "%s is no IP address: write all four numbers without leading zeros, or an IPv6 address without brackets", quote(s))
	}
	if addr.Zone() != "" {
		return netip.Addr{}, domain.E(domain.Invalid, "%s: leave the zone out: use %s", quote(s), addr.WithZone(""))
	}
	return addr.Unmap(), nil
}

// parseCIDR parses a network of a pattern. Host bits are refused: the writer
// may have meant the address, or another length.
func parseCIDR(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, domain.E(domain.Invalid, "%s is no network: write it as 192.0.2.0/24 or 2001:db8::/32", quote(s))
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, domain.E(domain.Invalid, "%s: write the IPv4 network instead; it matches mapped addresses too", quote(s))
	case prefix != prefix.Masked():
		return netip.Prefix{}, domain.E(domain.Invalid, "%s has bits set behind the prefix: use %s", quote(s), prefix.Masked())
	}
	return prefix, nil
}

// formatPrefix returns CIDR form, and the bare address for a single one.
func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
