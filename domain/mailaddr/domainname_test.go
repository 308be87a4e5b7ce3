package mailaddr

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDomainName(t *testing.T) {
	long := strings.Repeat("a.", 126)
	tests := []struct{ text, want string }{
		{"example.com", "example.com"},
		{"EXAMPLE.Com", "example.com"},
		{"example.com.", "example.com"},
		{"localhost", "localhost"},
		{"_smtp._tls.example.com", "_smtp._tls.example.com"},
		{"r3---sn-4g5e6nez.example.com", "r3---sn-4g5e6nez.example.com"},
		{"1.0.0.127.in-addr.arpa", "1.0.0.127.in-addr.arpa"},
		{"3com.example", "3com.example"},
		{"Bücher.example", "xn--bcher-kva.example"},
		{"bu\u0308cher.example", "xn--bcher-kva.example"},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
		{"straße.example", "xn--strae-oqa.example"},
		{"例子。测试.", "xn--fsqu00a.xn--0zwm56d"},
		{"_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example"},
		{long + "a", long + "a"},
		{strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example"},
	}
	for _, tt := range tests {
		got, err := ParseDomainName(tt.text)
		if err != nil || string(got) != tt.want {
			t.Errorf("ParseDomainName(%q) = %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestParseDomainNameRefuses(t *testing.T) {
	tests := []struct{ text, words string }{
		{"", "empty"},
		{".", "empty"},
		{"..", "empty label"},
		{".example.com", "empty label"},
		{"example..com", "empty label"},
		{"example.com..", "empty label"},
		{"example.com。.", "empty label"},
		{"-example.com", "hyphen"},
		{"example-.com", "hyphen"},
		{"*.example.com", "only letters"},
		{"exa mple.com", "only letters"},
		{" example.com", "only letters"},
		{"example.com\n", "only letters"},
		{"example.com/x", "only letters"},
		{"example.com:25", "only letters"},
		{"user@example.com", "only letters"},
		{"192.0.2.1", "number"},
		{"127.1", "number"},
		{"2130706433", "number"},
		{"127.0.0.1", "number"},
		{"[192.0.2.1]", "address literal"},
		{"[IPv6:2001:db8::1]", "address literal"},
		{"2001:db8::1", "only letters"},
		{"xn--a.example", "IDNA2008"},
		{"xn--.example", "empty label"},
		{"xn--example-.example", "IDNA2008"},
		{"a\u200db.example", "IDNA2008"},
		{"\xff.example", "UTF-8"},
		{strings.Repeat("a", 900) + "\u200d", "IDNA2008"},
		{strings.Repeat("a", 64) + ".example", "63 octets"},
		{strings.Repeat("ü", 60) + ".example", "63 octets"},
		{strings.Repeat("a.", 127) + "a", "253 octets"},
		{strings.Repeat("a", 5000), "1024 octets"},
	}
	for _, tt := range tests {
		got, err := ParseDomainName(tt.text)
		if err == nil {
			t.Errorf("ParseDomainName(%q) = %q, want an error", tt.text, got)
			continue
		}
		wantInvalid(t, err, tt.words)
	}
}

func TestParseDomainNameDoesNotAllocate(t *testing.T) {
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := ParseDomainName("mail.example.com."); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a canonical name costs %v allocations", allocs)
	}
}

func TestDomainNameRelations(t *testing.T) {
	within := []struct {
		name, suffix DomainName
		want         bool
	}{
		{"mail.example.com", "example.com", true},
		{"a.b.example.com", "example.com", true},
		{"example.com", "example.com", false},
		{"badexample.com", "example.com", false},
		{"com", "example.com", false},
		{"example.com", "", false},
		{"", "", false},
		{"", "example.com", false},
	}
	for _, tt := range within {
		if got := tt.name.Within(tt.suffix); got != tt.want {
			t.Errorf("%q.Within(%q) = %v", tt.name, tt.suffix, got)
		}
	}
	var parents []string
	for name, ok := DomainName("a.b.example.com"), true; ok; name, ok = name.Parent() {
		parents = append(parents, name.String())
	}
	if got := strings.Join(parents, " "); got != "a.b.example.com b.example.com example.com com" {
		t.Errorf("walk up gives %s", got)
	}
}

func TestDomainNameUnicode(t *testing.T) {
	for name, want := range map[DomainName]string{
		"example.com":               "example.com",
		"xn--bcher-kva.example":     "bücher.example",
		"_tls.xn--fsqu00a.example":  "_tls.例子.example",
		"not-parsed.xn--a.example":  "not-parsed.xn--a.example",
		"":                          "",
		"mail.xn--strae-oqa.exampl": "mail.straße.exampl",
	} {
		if got := name.Unicode(); got != want {
			t.Errorf("%q.Unicode() = %q, want %q", name, got, want)
		}
	}
}

func TestDomainNameUnmarshalText(t *testing.T) {
	var name DomainName
	if err := name.UnmarshalText([]byte("Bücher.example")); err != nil || name != "xn--bcher-kva.example" {
		t.Errorf("got %q, %v", name, err)
	}
	if err := name.UnmarshalText([]byte("a b")); err == nil || name != "xn--bcher-kva.example" {
		t.Errorf("a faulty text gives %q, %v", name, err)
	}
	if err := name.UnmarshalText(nil); err != nil || name != "" {
		t.Errorf("empty text gives %q, %v", name, err)
	}
}

func TestDomainNameRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := drawDomain(t)
		again, err := ParseDomainName(name.Unicode())
		if err != nil || again != name {
			t.Fatalf("%q in U-labels parses to %q, %v", name, again, err)
		}
		upper, err := ParseDomainName(strings.ToUpper(string(name)) + ".")
		if err != nil || upper != name {
			t.Fatalf("%q in capitals parses to %q, %v", name, upper, err)
		}
	})
}

func FuzzParseDomainName(f *testing.F) {
	for _, seed := range []string{
		"example.com.", "Bücher.example", "xn--bcher-kva", "例子。广告", "_x.y", "a--b.c", "127.0.0.1", "۱.example", "xn--a", "ß.ẞ", "א1.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseDomainName(s)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if fault := checkName(string(name)); fault != "" || strings.ToLower(string(name)) != string(name) {
			t.Errorf("ParseDomainName(%q) = %q: not canonical: %s", s, name, fault)
		}
		if again, err := ParseDomainName(string(name)); err != nil || again != name {
			t.Errorf("%q parses to %q, %v", name, again, err)
		}
		if again, err := ParseDomainName(name.Unicode()); err != nil || again != name {
			t.Errorf("%q in U-labels %q parses to %q, %v", name, name.Unicode(), again, err)
		}
	})
}
