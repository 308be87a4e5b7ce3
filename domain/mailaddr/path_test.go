package mailaddr

import (
	"errors"
	"testing"
)

func TestParsePath(t *testing.T) {
	user := Mailbox{Local: "user", Domain: "example.com"}
	tests := []struct {
		arg  string
		want Mailbox
		rest string
	}{
		{"<user@example.com>", user, ""},
		{" <user@example.com>", user, ""},
		{"\t<user@example.com> \t", user, ""},
		{"<user@example.com> SIZE=100 BODY=8BITMIME", user, "SIZE=100 BODY=8BITMIME"},
		{"<user@example.com>   REQUIRETLS  ", user, "REQUIRETLS"},
		{"<>", Mailbox{}, ""},
		{"<> SIZE=1", Mailbox{}, "SIZE=1"},
		{"<postmaster>", Mailbox{Local: "postmaster"}, ""},
		{"<PostMaster>", Mailbox{Local: "postmaster"}, ""},
		{"<PostMaster@example.com>", Mailbox{Local: "PostMaster", Domain: "example.com"}, ""},
		{`<"us>er"@example.com> X=<y>`, Mailbox{Local: "us>er", Domain: "example.com"}, "X=<y>"},
		{`<"us\">er"@example.com>`, Mailbox{Local: `us">er`, Domain: "example.com"}, ""},
	}
	for _, tt := range tests {
		got, rest, err := ParsePath(tt.arg)
		if err != nil || got != tt.want || rest != tt.rest {
			t.Errorf("ParsePath(%q) = %#v, %q, %v; want %#v, %q", tt.arg, got, rest, err, tt.want, tt.rest)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	tests := []struct{ arg, words string }{
		{"", "angle brackets"},
		{"user@example.com", "angle brackets"},
		{"x<user@example.com>", "angle brackets"},
		{"<user@example.com", "closing angle bracket"},
		{`<"user@example.com>`, "closing angle bracket"},
		{"<", "closing angle bracket"},
		{"<user@example.com>SIZE=1", "a space must stand"},
		{"<user@example.com>>", "a space must stand"},
		{"<<user@example.com>>", "a space must stand"},
		{"<<user@example.com>", "quoted"},
		{"< user@example.com >", "quoted"},
		{"< >", "quoted"},
		{"<user>", "add @"},
		{`<"postmaster">`, "add @"},
		{"<@example.com>", "empty"},
		{"<@example.com:>", "empty"},
		{"<@example..com:user@example.com>", "empty label"},
		{"<@a@b:user@example.com>", "only letters"},
		{"<user\r\n@example.com>", "control character"},
		{"<user@example.com\x00>", "control character"},
	}
	for _, tt := range tests {
		m, rest, err := ParsePath(tt.arg)
		if err == nil {
			t.Errorf("ParsePath(%q) = %#v, want an error", tt.arg, m)
			continue
		}
		wantInvalid(t, err, tt.words)
		if !m.IsNull() || rest != "" {
			t.Errorf("ParsePath(%q) returns %#v, %q beside its error", tt.arg, m, rest)
		}
		if errors.Is(err, ErrSourceRoute) {
			t.Errorf("ParsePath(%q): %v is taken for a source route", tt.arg, err)
		}
	}
}

// B18: a source route is recognised, so that it gets its own reply.
func TestParsePathSourceRoute(t *testing.T) {
	for _, arg := range []string{
		"<@relay.example:user@example.com>",
		"<@a.example,@b.example:user@example.com> SIZE=1",
		`<@a.example:"us:er"@example.com>`,
	} {
		m, _, err := ParsePath(arg)
		if !errors.Is(err, ErrSourceRoute) {
			t.Errorf("ParsePath(%q) = %#v, %v; want ErrSourceRoute", arg, m, err)
		}
		if !m.IsNull() {
			t.Errorf("ParsePath(%q) returns %#v beside its error", arg, m)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"<user@example.com> SIZE=1", " <>", "<postmaster>", "<@a,@b:c@d.example>", `<"a>b\""@c.example>x`, "<", "<@:>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		m, _, err := ParsePath(arg)
		switch {
		case err != nil:
			wantInvalid(t, err, "")
		case m.Domain == "" && !m.Literal.IsValid():
			if !m.IsNull() && m != (Mailbox{Local: postmaster}) {
				t.Errorf("ParsePath(%q) = %#v without a domain", arg, m)
			}
		default:
			checkMailbox(t, m)
		}
	})
}
