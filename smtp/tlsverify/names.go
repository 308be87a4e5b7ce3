package tlsverify

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"

	"postern/domain/mailaddr"
)

// Names are the names that a certificate is held against. One match suffices.
type Names struct {
	// Hosts are held against the DNS names in the certificate's subject
	// alternative names (SAN).
	Hosts []mailaddr.DomainName
	// Addr is held against the IP addresses in the SAN. It is valid only where
	// the next hop is given by address.
	Addr netip.Addr
	// CommonNames are held against the subject's common name, and only where
	// the certificate has no SAN at all.
	CommonNames []mailaddr.DomainName
}

// ForDomain returns the names of required_verify (B23): the recipient domain
// against the SAN; without a SAN the common name against the recipient domain
// or one of the peer's forward-confirmed PTR names. Look the latter up only
// where [LacksAlternativeNames] says so.
func ForDomain(recipient mailaddr.DomainName, confirmed ...mailaddr.DomainName) Names {
	hosts := present(recipient)
	return Names{Hosts: hosts, CommonNames: slices.Concat(hosts, confirmed)}
}

// ForHosted returns the names of required_verify_hosted (B23): the recipient
// domain, or the MX host or route host, which may be an address.
func ForHosted(recipient, host mailaddr.DomainName, addr netip.Addr) Names {
	return Names{Hosts: present(recipient, host), Addr: addr}
}

// ForHost returns the name of MTA-STS and REQUIRETLS (B23): the MX host. The
// address counts where a route gives no host name.
func ForHost(host mailaddr.DomainName, addr netip.Addr) Names {
	return Names{Hosts: present(host), Addr: addr}
}

func present(names ...mailaddr.DomainName) []mailaddr.DomainName {
	return slices.DeleteFunc(names, func(n mailaddr.DomainName) bool { return n == "" })
}

// strings lists the names for the record, without doubles.
func (n Names) strings() []string {
	var list []string
	for _, name := range slices.Concat(n.Hosts, n.CommonNames) {
		if !slices.Contains(list, name.String()) {
			list = append(list, name.String())
		}
	}
	if n.Addr.IsValid() {
		list = append(list, n.Addr.String())
	}
	return list
}

// oidSubjectAltName identifies the SAN extension (RFC 5280 §4.2.1.6).
var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// LacksAlternativeNames reports whether the leaf of the chain has no SAN
// extension, so that its common name counts.
func LacksAlternativeNames(chain []*x509.Certificate) bool {
	return len(chain) > 0 && !slices.ContainsFunc(chain[0].Extensions, func(e pkix.Extension) bool {
		return e.Id.Equal(oidSubjectAltName)
	})
}

// Covers reports whether the leaf of the chain speaks for one of the names,
// whether it is trusted or not.
func Covers(chain []*x509.Certificate, names Names) bool {
	if len(chain) == 0 {
		return false
	}
	_, ok := names.match(chain[0])
	return ok
}

// match returns the name that the leaf speaks for, or false.
func (n Names) match(leaf *x509.Certificate) (string, bool) {
	if LacksAlternativeNames([]*x509.Certificate{leaf}) {
		return firstMatch(n.CommonNames, []string{leaf.Subject.CommonName})
	}
	if name, ok := firstMatch(n.Hosts, leaf.DNSNames); ok {
		return name, true
	}
	for _, ip := range leaf.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok && n.Addr.IsValid() && addr.Unmap() == n.Addr.Unmap() {
			return n.Addr.String(), true
		}
	}
	return "", false
}

func firstMatch(names []mailaddr.DomainName, patterns []string) (string, bool) {
	for _, name := range names {
		for _, pattern := range patterns {
			if matches(name, pattern) {
				return name.String(), true
			}
		}
	}
	return "", false
}

// matches holds a name against one name of a certificate.
//
// RFC 9525 §6.3: a wildcard is the whole left-most label and stands for exactly
// one label; elsewhere an asterisk has no meaning, and matches nothing.
func matches(name mailaddr.DomainName, pattern string) bool {
	rest, wildcard := strings.CutPrefix(pattern, "*.")
	want, err := mailaddr.ParseDomainName(rest)
	if err != nil {
		return false
	}
	if wildcard {
		parent, ok := name.Parent()
		return ok && parent == want
	}
	return name == want
}
