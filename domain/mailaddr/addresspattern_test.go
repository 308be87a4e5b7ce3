package mailaddr

import "testing"

func TestParseAddressPattern(t *testing.T) {
	for text, want := range map[string]string{
		"user@Example.COM":       "user@example.com",
		"User.Name+tag@a.test":   "User.Name+tag@a.test",
		`"a b"@example.com`:      `"a b"@example.com`,
		`"user"@example.com`:     "user@example.com",
		"jürgen@bücher.example":  "jürgen@xn--bcher-kva.example",
		"@Example.com.":          "@example.com",
		"@.Bücher.example":       "@.xn--bcher-kva.example",
		"postmaster@example.com": "postmaster@example.com",
	} {
		p, err := ParseAddressPattern(text)
		if err != nil {
			t.Errorf("ParseAddressPattern(%q): %v", text, err)
			continue
		}
		if p.String() != want {
			t.Errorf("ParseAddressPattern(%q) = %q, want %q", text, p, want)
		}
		wantTextRoundTrip(t, p)
	}
}

func TestParseAddressPatternRefuses(t *testing.T) {
	for text, words := range map[string]string{
		"":                     "empty",
		"@":                    "empty",
		"example.com":          "add @",
		".example.com":         "dots may not begin",
		"@ALL":                 "mail flow policy",
		"@default":             "mail flow policy",
		"user@all":             "mail flow policy",
		"user@.example.com":    "empty label",
		"@*.example.com":       `write ".example.com"`,
		"@[192.0.2.1]":         "not an IP address",
		"user@[192.0.2.1]":     "not an IP address",
		"@192.0.2.1":           "number",
		"a@b@example.com":      "only letters",
		"<user@example.com>":   "unquoted",
		"user@example.com\r\n": "control",
		`""@example.com`:       "empty",
	} {
		p, err := ParseAddressPattern(text)
		if err == nil {
			t.Errorf("ParseAddressPattern(%q) = %q, want an error", text, p)
			continue
		}
		wantInvalid(t, err, words)
	}
}

func TestAddressPatternMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, sender string
		want            bool
	}{
		{"user@example.com", "user@example.com", true},
		{"user@example.com", "USER@EXAMPLE.com", true},
		{"user@example.com", `"user"@example.com`, true},
		{"user@example.com", "user@sub.example.com", false},
		{"user@example.com", "user2@example.com", false},
		{"@example.com", "anyone@example.com", true},
		{"@example.com", "anyone@sub.example.com", false},
		{"@.example.com", "anyone@sub.example.com", true},
		{"@.example.com", "anyone@a.sub.example.com", true},
		{"@.example.com", "anyone@example.com", false},
		{"@.example.com", "anyone@badexample.com", false},
		{"@bücher.example", "a@xn--bcher-kva.example", true},
		{"@example.com", "a@[192.0.2.1]", false},
		{"@example.com", "", false},
	} {
		p, err := ParseAddressPattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		var sender Mailbox
		if err := sender.UnmarshalText([]byte(tt.sender)); err != nil {
			t.Fatal(err)
		}
		if got := p.Match(sender); got != tt.want {
			t.Errorf("%q.Match(%q) = %v", p, sender, got)
		}
	}
	if (AddressPattern{}).Match(Mailbox{Local: "a", Domain: "example.com"}) || (AddressPattern{}).Match(Mailbox{}) {
		t.Error("the zero pattern matches something")
	}
}

func FuzzParseAddressPattern(f *testing.F) {
	for _, seed := range []string{"user@example.com", "@example.com", "@.example.com", `"a b"@a.test`, `""@a.test`, "ü@ü.test", "@ALL", "@[::1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseAddressPattern(s)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		wantTextRoundTrip(t, p)
		if exact, ok := p.host.Exact(); ok && p.local != "" && !p.Match(Mailbox{Local: p.local, Domain: exact}) {
			t.Errorf("%q does not match itself", p)
		}
	})
}
