package mailaddr

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustSender(t testing.TB, s string) SenderPattern {
	t.Helper()
	p, err := ParseSenderPattern(s)
	if err != nil {
		t.Fatalf("ParseSenderPattern(%q): %v", s, err)
	}
	return p
}

func TestParseSenderPattern(t *testing.T) {
	tests := []struct {
		text, want string
		prefixes   []string
	}{
		{"192.0.2.1", "192.0.2.1", []string{"192.0.2.1/32"}},
		{"192.0.2.1/32", "192.0.2.1", []string{"192.0.2.1/32"}},
		{"::ffff:192.0.2.1", "192.0.2.1", []string{"192.0.2.1/32"}},
		{"2001:DB8:0::1", "2001:db8::1", []string{"2001:db8::1/128"}},
		{"192.0.2.", "192.0.2.", []string{"192.0.2.0/24"}},
		{"10.1.", "10.1.", []string{"10.1.0.0/16"}},
		{"10.", "10.", []string{"10.0.0.0/8"}},
		{"192.0.2.0/25", "192.0.2.0/25", []string{"192.0.2.0/25"}},
		{"2001:db8::/32", "2001:db8::/32", []string{"2001:db8::/32"}},
		{"0.0.0.0/0", "0.0.0.0/0", []string{"0.0.0.0/0"}},
		{"::/0", "::/0", []string{"::/0"}},
		{"192.0.2.7-7", "192.0.2.7-7", []string{"192.0.2.7/32"}},
		{"192.0.2.0-255", "192.0.2.0-255", []string{"192.0.2.0/24"}},
		{"255.255.255.254-255", "255.255.255.254-255", []string{"255.255.255.254/31"}},
		{"192.0.2.10-20", "192.0.2.10-20", []string{"192.0.2.10/31", "192.0.2.12/30", "192.0.2.16/30", "192.0.2.20/32"}},
		{"Mail.Example.com.", "mail.example.com", nil},
		{".Bücher.example", ".xn--bcher-kva.example", nil},
		{"1-2.example.com", "1-2.example.com", nil},
		{"all", "ALL", nil},
	}
	for _, tt := range tests {
		p := mustSender(t, tt.text)
		if p.String() != tt.want {
			t.Errorf("ParseSenderPattern(%q) = %q, want %q", tt.text, p, tt.want)
		}
		var got []string
		for _, prefix := range p.Prefixes() {
			got = append(got, prefix.String())
		}
		if diff := cmp.Diff(tt.prefixes, got); diff != "" {
			t.Errorf("%q: prefixes (-want +got):\n%s", tt.text, diff)
		}
		wantTextRoundTrip(t, p)
	}
}

func TestParseSenderPatternRefuses(t *testing.T) {
	tests := []struct{ text, words string }{
		{"", "empty"},
		{"192.0.2.1/24", "use 192.0.2.0/24"},
		{"2001:db8::1/64", "use 2001:db8::/64"},
		{"::ffff:192.0.2.0/120", "IPv4 network"},
		{"192.0.2.0/33", "write it as 192.0.2.0/24"},
		{"example.com/24", "write it as 192.0.2.0/24"},
		{"/", "write it as 192.0.2.0/24"},
		{"192.0.2", "use 192.0.2."},
		{"10", "use 10."},
		{"192.0.2.256", "no IP address"},
		{"192.0.2.01", "no IP address"},
		{"192.0.2.1.", "too many octets"},
		{"192.0..", "no partial address"},
		{"300.", "no partial address"},
		{"010.", "no partial address"},
		{"192.0.2.20-10", "lower number first"},
		{"192.0.2.10-256", "192.0.2.10-20"},
		{"192.0.2.10-020", "192.0.2.10-20"},
		{"192.0.2.10-", "192.0.2.10-20"},
		{"192.0.2-10", "192.0.2.10-20"},
		{"192.0.2.1-192.0.2.9", "192.0.2.10-20"},
		{"192.0.2.1-2-3", "192.0.2.10-20"},
		{"fe80::1%eth0", "use fe80::1"},
		{"[2001:db8::1]", "without brackets"},
		{"2001:db8::1-9", "no IP address"},
		{"*.example.com", `write ".example.com"`},
		{"default", "write ALL"},
		{"mail example", "only letters"},
	}
	for _, tt := range tests {
		p, err := ParseSenderPattern(tt.text)
		if err == nil {
			t.Errorf("ParseSenderPattern(%q) = %q, want an error", tt.text, p)
			continue
		}
		wantInvalid(t, err, tt.words)
	}
}

func TestSenderPatternMatch(t *testing.T) {
	names := []DomainName{"mail.example.com", "mx.example.net"}
	tests := []struct {
		pattern, addr string
		want          bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.", "192.0.2.255", true},
		{"192.0.2.", "192.0.3.0", false},
		{"10.", "10.255.0.1", true},
		{"192.0.2.10-20", "192.0.2.9", false},
		{"192.0.2.10-20", "192.0.2.10", true},
		{"192.0.2.10-20", "::ffff:192.0.2.20", true},
		{"192.0.2.10-20", "192.0.2.21", false},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "192.0.2.1", false},
		{"::/0", "::ffff:192.0.2.1", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::", false},
		{"mx.example.net", "198.51.100.1", true},
		{".example.com", "198.51.100.1", true},
		{"example.com", "198.51.100.1", false},
		{".mail.example.com", "198.51.100.1", false},
		{"ALL", "198.51.100.1", true},
	}
	for _, tt := range tests {
		if got := mustSender(t, tt.pattern).Match(netip.MustParseAddr(tt.addr), names); got != tt.want {
			t.Errorf("%q.Match(%s) = %v", tt.pattern, tt.addr, got)
		}
	}
	if mustSender(t, ".example.com").Match(netip.MustParseAddr("198.51.100.1"), nil) {
		t.Error("a name matches a client without a confirmed name")
	}
	if mustSender(t, "0.0.0.0/0").Match(netip.Addr{}, nil) {
		t.Error("a network matches no address")
	}
	if (SenderPattern{}).Match(netip.Addr{}, names) || (SenderPattern{}).Match(netip.MustParseAddr("::1"), []DomainName{""}) {
		t.Error("the zero pattern matches something")
	}
}

// B13: a narrower entry below a wider one can never apply.
func TestSenderPatternCovers(t *testing.T) {
	tests := []struct {
		wide, narrow string
		want         bool
	}{
		{"ALL", "192.0.2.1", true},
		{"ALL", ".example.com", true},
		{"ALL", "ALL", true},
		{"0.0.0.0/0", "ALL", false},
		{"192.0.2.", "192.0.2.0/24", true},
		{"192.0.2.0/24", "192.0.2.", true},
		{"192.0.2.0/24", "192.0.2.10-20", true},
		{"192.0.2.10-20", "192.0.2.12/30", true},
		{"192.0.2.10-20", "192.0.2.16/29", false},
		{"192.0.2.10-20", "192.0.2.10-20", true},
		{"192.0.2.1", "192.0.2.0/24", false},
		{"10.", "2001:db8::1", false},
		{"::/0", "10.", false},
		{".example.com", "mail.example.com", true},
		{".example.com", "example.com", false},
		{".example.com", "192.0.2.1", false},
		{"192.0.2.1", "mail.example.com", false},
	}
	for _, tt := range tests {
		if got := mustSender(t, tt.wide).Covers(mustSender(t, tt.narrow)); got != tt.want {
			t.Errorf("%q.Covers(%q) = %v", tt.wide, tt.narrow, got)
		}
	}
	all, none := mustSender(t, "ALL"), SenderPattern{}
	if all.Covers(none) || none.Covers(all) || none.Covers(none) {
		t.Error("the zero pattern covers or is covered")
	}
}

func TestSenderPatternHost(t *testing.T) {
	if host, ok := mustSender(t, ".example.com").Host(); !ok || host.String() != ".example.com" {
		t.Errorf("Host() = %q, %v", host, ok)
	}
	for _, text := range []string{"ALL", "192.0.2.1"} {
		if host, ok := mustSender(t, text).Host(); ok {
			t.Errorf("%q: Host() = %q", text, host)
		}
	}
}

// drawAddr draws addresses of both families.
func drawAddr(t *rapid.T) netip.Addr {
	if rapid.Bool().Draw(t, "v6") {
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr")))
	}
	return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
}

// drawOctetRange draws ranges within 192.0.2.0/24.
func drawOctetRange(t *rapid.T, label string) SenderPattern {
	from := rapid.IntRange(0, 255).Draw(t, label+" from")
	to := rapid.IntRange(from, 255).Draw(t, label+" to")
	p, err := ParseSenderPattern(fmt.Sprintf("192.0.2.%d-%d", from, to))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

// The prefixes of a range hold its addresses, each once, and no other.
func TestSenderPatternPrefixesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawOctetRange(t, "range")
		for last := range 256 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(last)})
			holders := 0
			for _, prefix := range p.Prefixes() {
				if prefix.Contains(addr) {
					holders++
				}
			}
			if p.Match(addr, nil) != (holders == 1) || holders > 1 {
				t.Fatalf("%q: %d prefixes hold %s", p, holders, addr)
			}
		}
	})
}

func TestSenderPatternCoversProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawOctetRange(t, "p"), drawOctetRange(t, "q")
		covers := true
		for last := range 256 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(last)})
			covers = covers && (p.Match(addr, nil) || !q.Match(addr, nil))
		}
		if p.Covers(q) != covers {
			t.Fatalf("%q.Covers(%q) = %v", p, q, !covers)
		}
	})
}

func FuzzParseSenderPattern(f *testing.F) {
	for _, seed := range []string{
		"192.0.2.1", "192.0.2.", "192.0.2.10-20", "192.0.2.0/24", "2001:db8::/32", "::ffff:1.2.3.4", "fe80::1%x", "a.example", ".a", "ALL", "1-2", "1..", "0-0.0.0.0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseSenderPattern(s)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		wantTextRoundTrip(t, p)
		if !p.Covers(p) {
			t.Errorf("%q does not cover itself", p)
		}
		for _, prefix := range p.Prefixes() {
			if !p.Match(prefix.Addr(), nil) {
				t.Errorf("%q does not match its prefix %s", p, prefix)
			}
		}
	})
}
