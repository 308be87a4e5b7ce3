package policy

import (
	"fmt"
	"net/netip"
	"testing"

	"postern/domain/mailaddr"
)

// BenchmarkAccess finds a client's sender group among 100,000 networks and as many
// names.
func BenchmarkAccess(b *testing.B) {
	var patterns []string
	for i := range 100_000 {
		patterns = append(patterns, fmt.Sprintf("10.%d.%d.%d/30", i>>14&255, i>>6&255, i<<2&255), fmt.Sprintf("mx%d.example", i))
	}
	compiled := NewAccessTable(table(b, patterns...))
	for name, client := range map[string]struct {
		addr  string
		names []mailaddr.DomainName
		group string
	}{
		"network": {"10.1.2.3", nil, "GROUP"},
		"name":    {"192.0.2.1", []mailaddr.DomainName{"mx7.example"}, "GROUP"},
		"all":     {"192.0.2.1", []mailaddr.DomainName{"other.example"}, AllGroup},
	} {
		b.Run(name, func(b *testing.B) {
			addr := netip.MustParseAddr(client.addr)
			for b.Loop() {
				for match := range compiled.Matches(addr, client.names) {
					if match.Group != client.group {
						b.Fatal(match.Group)
					}
					break
				}
			}
		})
	}
}

// BenchmarkEffective decides with nothing in the way, and with every rule speaking.
func BenchmarkEffective(b *testing.B) {
	level := TLSRequiredVerify
	plain := OutboundInputs{Domain: "example.com", TLS: TLSSettings{Enabled: true}, LevelIsDefault: true}
	all := plain
	all.Control, all.LevelIsDefault = DestinationControl{TLSLevel: &level}, false
	all.DANE, all.MTASTS, all.RequireTLS, all.SecureMX = DANEUsable, MTASTSEnforce, true, true
	all.Requirement = &STARTTLSEntry{Reason: "measured"}
	all.Exemption = &STARTTLSEntry{Reason: "measured"}
	for name, in := range map[string]OutboundInputs{"plain": plain, "all": all} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(Effective(in).Reasons) == 0 {
					b.Fatal("no reasons")
				}
			}
		})
	}
}
