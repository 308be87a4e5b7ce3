package mailaddr

import (
	"testing"

	"pgregory.net/rapid"
)

func mustHost(t testing.TB, s string) HostPattern {
	t.Helper()
	p, err := ParseHostPattern(s)
	if err != nil {
		t.Fatalf("ParseHostPattern(%q): %v", s, err)
	}
	return p
}

func TestParseHostPattern(t *testing.T) {
	tests := []struct {
		text, want    string
		exact, suffix DomainName
		all           bool
	}{
		{text: "Example.COM.", want: "example.com", exact: "example.com"},
		{text: ".Bücher.example", want: ".xn--bcher-kva.example", suffix: "xn--bcher-kva.example"},
		{text: ".default", want: ".default", suffix: "default"},
		{text: "all.example", want: "all.example", exact: "all.example"},
		{text: "ALL", want: "ALL", all: true},
		{text: "all", want: "ALL", all: true},
		{text: "Default", want: "default", all: true},
	}
	for _, tt := range tests {
		p := mustHost(t, tt.text)
		exact, _ := p.Exact()
		suffix, _ := p.Suffix()
		if p.String() != tt.want || exact != tt.exact || suffix != tt.suffix || p.IsAll() != tt.all {
			t.Errorf("ParseHostPattern(%q) = %q: exact %q, suffix %q, all %v", tt.text, p, exact, suffix, p.IsAll())
		}
		wantTextRoundTrip(t, p)
	}
}

func TestParseHostPatternRefuses(t *testing.T) {
	tests := []struct{ text, words string }{
		{"", "empty"},
		{".", "empty"},
		{"..example.com", "empty label"},
		{"*.example.com", `write ".example.com"`},
		{"*", "only letters"},
		{"all.", "write ALL"},
		{"Default.", "write default"},
		{"192.0.2.1", "number"},
		{"[192.0.2.1]", "address literal"},
		{"user@example.com", "only letters"},
	}
	for _, tt := range tests {
		p, err := ParseHostPattern(tt.text)
		if err == nil {
			t.Errorf("ParseHostPattern(%q) = %q, want an error", tt.text, p)
			continue
		}
		wantInvalid(t, err, tt.words)
	}
}

func TestHostPatternMatch(t *testing.T) {
	tests := []struct {
		pattern string
		name    DomainName
		want    bool
	}{
		{"example.com", "example.com", true},
		{"example.com", "mail.example.com", false},
		{".example.com", "mail.example.com", true},
		{".example.com", "a.b.example.com", true},
		{".example.com", "example.com", false},
		{".example.com", "badexample.com", false},
		{"ALL", "example.com", true},
		{"default", "example.com", true},
		{"ALL", "", true},
		{"example.com", "", false},
		{".example.com", "", false},
	}
	for _, tt := range tests {
		if got := mustHost(t, tt.pattern).Match(tt.name); got != tt.want {
			t.Errorf("%q.Match(%q) = %v", tt.pattern, tt.name, got)
		}
	}
	if (HostPattern{}).Match("") || (HostPattern{}).Match("example.com") || (HostPattern{}).IsAll() {
		t.Error("the zero pattern matches something")
	}
}

func TestHostPatternCovers(t *testing.T) {
	tests := []struct {
		wide, narrow string
		want         bool
	}{
		{"ALL", "example.com", true},
		{"ALL", ".example.com", true},
		{"ALL", "default", true},
		{".example.com", "ALL", false},
		{".example.com", "mail.example.com", true},
		{".example.com", ".example.com", true},
		{".example.com", ".mail.example.com", true},
		{".mail.example.com", ".example.com", false},
		{".example.com", "example.com", false},
		{"example.com", "example.com", true},
		{"example.com", ".example.com", false},
		{"a.example", "b.example", false},
	}
	for _, tt := range tests {
		if got := mustHost(t, tt.wide).Covers(mustHost(t, tt.narrow)); got != tt.want {
			t.Errorf("%q.Covers(%q) = %v", tt.wide, tt.narrow, got)
		}
	}
	none, all := HostPattern{}, mustHost(t, "ALL")
	if none.Covers(none) || all.Covers(none) || none.Covers(all) || none.Covers(mustHost(t, ".a")) {
		t.Error("the zero pattern covers or is covered")
	}
}

// drawHost draws patterns over few names, so that they often meet.
func drawHost(t *rapid.T, label string) HostPattern {
	text := rapid.StringMatching(`ALL|default|\.?([ab]\.){0,2}(a|b)`).Draw(t, label)
	p, err := ParseHostPattern(text)
	if err != nil {
		t.Fatalf("ParseHostPattern(%q): %v", text, err)
	}
	return p
}

// What a covered pattern matches, the covering one matches too.
func TestHostPatternCoversProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawHost(t, "p"), drawHost(t, "q")
		name := DomainName(rapid.StringMatching(`([ab]\.){0,3}(a|b)`).Draw(t, "name"))
		if p.Covers(q) && q.Match(name) && !p.Match(name) {
			t.Fatalf("%q covers %q but does not match %q", p, q, name)
		}
	})
}

func FuzzParseHostPattern(f *testing.F) {
	for _, seed := range []string{"example.com", ".example.com", "ALL", "default", "*.a", "all.", "default。", ".xn--bcher-kva"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseHostPattern(s)
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
