package mailaddr

import (
	"net/netip"
	"testing"
)

func mustEndpoint(t testing.TB, s string) EndpointPattern {
	t.Helper()
	p, err := ParseEndpointPattern(s)
	if err != nil {
		t.Fatalf("ParseEndpointPattern(%q): %v", s, err)
	}
	return p
}

func TestParseEndpointPattern(t *testing.T) {
	tests := []struct {
		text, want    string
		prefix        string
		exact, suffix DomainName
	}{
		{text: "192.0.2.1", want: "192.0.2.1", prefix: "192.0.2.1/32"},
		{text: "192.0.2.1/32", want: "192.0.2.1", prefix: "192.0.2.1/32"},
		{text: "::ffff:192.0.2.1", want: "192.0.2.1", prefix: "192.0.2.1/32"},
		{text: "192.0.2.0/24", want: "192.0.2.0/24", prefix: "192.0.2.0/24"},
		{text: "2001:DB8::/32", want: "2001:db8::/32", prefix: "2001:db8::/32"},
		{text: "::1", want: "::1", prefix: "::1/128"},
		{text: "MX.Example.com.", want: "mx.example.com", exact: "mx.example.com"},
		{text: ".bücher.example", want: ".xn--bcher-kva.example", suffix: "xn--bcher-kva.example"},
	}
	for _, tt := range tests {
		p := mustEndpoint(t, tt.text)
		exact, _ := p.Exact()
		suffix, _ := p.Suffix()
		prefix := ""
		if net, ok := p.Prefix(); ok {
			prefix = net.String()
		}
		if p.String() != tt.want || prefix != tt.prefix || exact != tt.exact || suffix != tt.suffix {
			t.Errorf("ParseEndpointPattern(%q) = %q: prefix %q, exact %q, suffix %q", tt.text, p, prefix, exact, suffix)
		}
		wantTextRoundTrip(t, p)
	}
}

func TestParseEndpointPatternRefuses(t *testing.T) {
	tests := []struct{ text, words string }{
		{"", "empty"},
		{"ALL", "default destination control"},
		{"default", "default destination control"},
		{"192.0.2.1/24", "use 192.0.2.0/24"},
		{"192.0.2.", "no IP address"},
		{"192.0.2.10-20", "no IP address"},
		{"192.0.2", "no IP address"},
		{"[192.0.2.1]", "address literal"},
		{"[2001:db8::1]", "without brackets"},
		{"fe80::1%eth0", "use fe80::1"},
		{"mx.example.com:25", "no IP address"},
		{"*.example.com", `write ".example.com"`},
	}
	for _, tt := range tests {
		p, err := ParseEndpointPattern(tt.text)
		if err == nil {
			t.Errorf("ParseEndpointPattern(%q) = %q, want an error", tt.text, p)
			continue
		}
		if p != (EndpointPattern{}) {
			t.Errorf("ParseEndpointPattern(%q) returns %q beside its error", tt.text, p)
		}
		wantInvalid(t, err, tt.words)
	}
}

func TestEndpointPatternMatch(t *testing.T) {
	addrs := []struct {
		pattern, addr string
		want          bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.0/24", "192.0.2.200", true},
		{"::/0", "192.0.2.1", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"mx.example.com", "192.0.2.1", false},
	}
	for _, tt := range addrs {
		if got := mustEndpoint(t, tt.pattern).MatchAddr(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%q.MatchAddr(%s) = %v", tt.pattern, tt.addr, got)
		}
	}
	names := []struct {
		pattern string
		name    DomainName
		want    bool
	}{
		{"mx.example.com", "mx.example.com", true},
		{".example.com", "mx.example.com", true},
		{".example.com", "example.com", false},
		{"192.0.2.1", "mx.example.com", false},
		{"192.0.2.1", "", false},
	}
	for _, tt := range names {
		if got := mustEndpoint(t, tt.pattern).MatchName(tt.name); got != tt.want {
			t.Errorf("%q.MatchName(%q) = %v", tt.pattern, tt.name, got)
		}
	}
	if p := (EndpointPattern{}); p.MatchName("") || p.MatchAddr(netip.Addr{}) || p.MatchAddr(netip.IPv6Unspecified()) {
		t.Error("the zero pattern matches something")
	}
}

func TestEndpointPatternCovers(t *testing.T) {
	tests := []struct {
		wide, narrow string
		want         bool
	}{
		{"192.0.2.0/24", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.0/24", false},
		{"192.0.2.0/24", "192.0.3.0/24", false},
		{"::/0", "192.0.2.1", false},
		{".example.com", "mx.example.com", true},
		{".example.com", "192.0.2.1", false},
		{"192.0.2.0/24", "mx.example.com", false},
	}
	for _, tt := range tests {
		if got := mustEndpoint(t, tt.wide).Covers(mustEndpoint(t, tt.narrow)); got != tt.want {
			t.Errorf("%q.Covers(%q) = %v", tt.wide, tt.narrow, got)
		}
	}
}

func FuzzParseEndpointPattern(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "::ffff:1.2.3.4", "mx.example.com", ".example.com", "ALL", "1.", "::%/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseEndpointPattern(s)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		wantTextRoundTrip(t, p)
		if !p.Covers(p) {
			t.Errorf("%q does not cover itself", p)
		}
	})
}
