package webhook

import (
	"errors"
	"net/netip"
	"slices"
)

// ErrPrivate is why a webhook is not called.
var ErrPrivate = errors.New("it leads to an address of this machine or of a private network, which settings/alerts does not allow")

// inward are blocks beside those that netip knows by name which lead into this
// machine or network, or hide an address that may (RFC 6890).
var inward = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared address space, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),           // IPv4 inside, deprecated, RFC 4291 §2.5.5.1
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4 translated, RFC 2765
	netip.MustParsePrefix("100::/64"),        // discarded, RFC 6666
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of tunnels, RFC 7526
	netip.MustParsePrefix("64:ff9b::/96"),    // IPv4 behind a translator, RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), // IPv4 in a tunnel, RFC 4380
	netip.MustParsePrefix("2002::/16"), // the same, RFC 3056
	netip.MustParsePrefix("fec0::/10"), // site-local, RFC 3879
}

// isPublic reports whether an address leads to the Internet.
func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	return !slices.ContainsFunc(inward, func(p netip.Prefix) bool { return p.Contains(addr) })
}
