package config_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

func TestSameEntryInBothListsIsRefused(t *testing.T) { // B26
	s, _ := configtest.Seeded(t)
	for _, pattern := range []string{"mx.example.com", "192.0.2.0/24", ".example.com"} {
		p, err := mailaddr.ParseEndpointPattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		entry := policy.STARTTLSEntry{Pattern: p, Reason: "test"}
		configtest.Commit(t, s, config.Edit{Kind: config.KindSTARTTLSExemption, Key: pattern, Value: entry})
		_, err = s.Commit(t.Context(), config.Change{Edits: []config.Edit{{Kind: config.KindSTARTTLSRequirement, Key: pattern, Value: entry}}})
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("%s in both lists: %v", pattern, err)
		}
		configtest.Commit(t, s, config.Edit{Kind: config.KindSTARTTLSExemption, Key: pattern})
		configtest.Commit(t, s, config.Edit{Kind: config.KindSTARTTLSRequirement, Key: pattern, Value: entry})
	}
}

// An entry that has expired hides no wider one that is in force (B25): else mail
// would go out in clear that must not.
func TestExpiredEntryHidesNoWiderOne(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	past := now.Add(-time.Second)
	for _, kind := range []config.Kind{config.KindSTARTTLSRequirement, config.KindSTARTTLSExemption} {
		s, _ := configtest.Seeded(t)
		for pattern, expires := range map[string]*time.Time{
			"192.0.2.7": &past, "192.0.2.0/24": nil, "mx.a.example": &past, ".a.example": &past, ".example": nil,
		} {
			p, err := mailaddr.ParseEndpointPattern(pattern)
			if err != nil {
				t.Fatal(err)
			}
			configtest.Commit(t, s, config.Edit{Kind: kind, Key: pattern, Value: policy.STARTTLSEntry{Pattern: p, Reason: "test", Expires: expires}})
		}
		for _, at := range []struct {
			host mailaddr.DomainName
			addr string
			want string
		}{
			{"other.test", "192.0.2.7", "192.0.2.0/24"},
			{"mx.a.example", "198.51.100.1", ".example"},
			{"other.test", "198.51.100.1", ""},
		} {
			in := s.Snapshot().OutboundInputs("recipient.test", at.host, netip.MustParseAddr(at.addr), now)
			entry := in.Requirement
			if kind == config.KindSTARTTLSExemption {
				entry = in.Exemption
			}
			got := ""
			if entry != nil {
				got = entry.Pattern.String()
			}
			if got != at.want {
				t.Errorf("%s at %s (%s): entry %q in force, want %q", kind, at.host, at.addr, got, at.want)
			}
		}
		if kind == config.KindSTARTTLSExemption && s.Snapshot().ExemptInbound(netip.MustParseAddr("192.0.2.7"), nil, now) == nil {
			t.Error("inbound: the wider exemption is hidden")
		}
	}
}

func TestLongestSuffixWins(t *testing.T) { // B21
	s, _ := configtest.Seeded(t)
	for pattern, l := range map[string]policy.TLSLevel{
		".com": policy.TLSPreferred, ".example.com": policy.TLSRequired, "mail.example.com": policy.TLSRequiredVerify,
	} {
		configtest.Commit(t, s, control(t, pattern, l))
	}
	for name, want := range map[mailaddr.DomainName]policy.TLSLevel{
		"mail.example.com":   policy.TLSRequiredVerify,
		"a.mail.example.com": policy.TLSRequired,
		"other.example.com":  policy.TLSRequired,
		"example.com":        policy.TLSPreferred, // .example.com does not hold the name itself
		"example.org":        policy.TLSNone,
	} {
		if got := level(s, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestAllAddressesOverlapEveryAddress(t *testing.T) {
	for _, pair := range [][2]string{
		{"127.0.0.1", "0.0.0.0"},
		{"127.0.0.1", "::"},
		{"127.0.0.1", ""},
		{"::1", "0.0.0.0"},
		{"", "::"},
		{"127.0.0.1", "::ffff:127.0.0.1"},
		{"0.0.0.0", "127.0.0.1"},
	} {
		s, _ := configtest.Seeded(t)
		put := func(name, address string) error {
			l := policy.Listener{Name: name, Kind: "public", Protocol: "smtp", HostName: "a.example", Address: address, Port: 2525}
			_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{{Kind: config.KindListener, Key: name, Value: l}}})
			return err
		}
		if err := put("one", pair[0]); err != nil {
			t.Fatal(err)
		}
		if err := put("two", pair[1]); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "/port") {
			t.Errorf("%q beside %q: %v", pair[1], pair[0], err)
		}
	}
}
