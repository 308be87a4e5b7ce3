package mailaddr

import (
	"bufio"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"postern/domain"
)

// vector is one line of testdata/addresses.txt.
type vector struct {
	line       int
	ok         bool
	text, want string
}

var repetition = regexp.MustCompile(`(\d+)\(([^()]+)\)`)

// expand replaces N(c) by N times c.
func expand(s string) string {
	return repetition.ReplaceAllStringFunc(s, func(found string) string {
		parts := repetition.FindStringSubmatch(found)
		n, _ := strconv.Atoi(parts[1])
		return strings.Repeat(parts[2], n)
	})
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.Open("testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []vector
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		verdict, columns, _ := strings.Cut(line, " ")
		text, rest := unquotePrefix(t, n, columns)
		want, _ := unquotePrefix(t, n, rest)
		list = append(list, vector{line: n, ok: verdict == "ok", text: expand(text), want: expand(want)})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func unquotePrefix(t testing.TB, line int, s string) (value, rest string) {
	t.Helper()
	s = strings.TrimSpace(s)
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		t.Fatalf("addresses.txt:%d: %v", line, err)
	}
	value, err = strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("addresses.txt:%d: %v", line, err)
	}
	return value, s[len(quoted):]
}

func TestParseMailboxVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		m, err := ParseMailbox(v.text)
		switch {
		case v.ok && err != nil:
			t.Errorf("addresses.txt:%d: ParseMailbox(%q): %v", v.line, v.text, err)
		case v.ok && m.String() != v.want:
			t.Errorf("addresses.txt:%d: ParseMailbox(%q) = %q, want %q", v.line, v.text, m, v.want)
		case !v.ok && err == nil:
			t.Errorf("addresses.txt:%d: ParseMailbox(%q) = %q, want an error", v.line, v.text, m)
		case !v.ok:
			wantInvalid(t, err, v.want)
		}
	}
}

// wantInvalid fails the test unless err is of kind Invalid, says the words, and
// is bounded.
func wantInvalid(t testing.TB, err error, words string) {
	t.Helper()
	if domain.KindOf(err) != domain.Invalid {
		t.Errorf("error %v is not of kind Invalid", err)
		return
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("error %q does not say %q", err, words)
	}
	if len(err.Error()) > 1000 {
		t.Errorf("error of %d octets repeats too much of its input", len(err.Error()))
	}
}

func TestMailboxParts(t *testing.T) {
	m, err := ParseMailbox(`"a \"b\" \\c"@Example.com`)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Mailbox{Local: `a "b" \c`, Domain: "example.com"}); m != want {
		t.Errorf("got %#v, want %#v", m, want)
	}
	m, err = ParseMailbox("user@[IPv6:2001:db8::1]")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Mailbox{Local: "user", Literal: netip.MustParseAddr("2001:db8::1")}); m != want {
		t.Errorf("got %#v, want %#v", m, want)
	}
}

func TestMailboxKinds(t *testing.T) {
	tests := []struct {
		mailbox       Mailbox
		text          string
		isNull, ascii bool
	}{
		{Mailbox{}, "", true, true},
		{Mailbox{Local: "postmaster"}, "postmaster", false, true},
		{Mailbox{Domain: "example.com"}, `""@example.com`, false, true},
		{Mailbox{Local: "user", Domain: "xn--bcher-kva.example"}, "user@xn--bcher-kva.example", false, true},
		{Mailbox{Local: "jörg", Domain: "example.com"}, "jörg@example.com", false, false},
	}
	for _, tt := range tests {
		if got := tt.mailbox.String(); got != tt.text {
			t.Errorf("%#v: String() = %q, want %q", tt.mailbox, got, tt.text)
		}
		if got := tt.mailbox.IsNull(); got != tt.isNull {
			t.Errorf("%q: IsNull() = %v", tt.text, got)
		}
		if got := tt.mailbox.IsASCII(); got != tt.ascii {
			t.Errorf("%q: IsASCII() = %v", tt.text, got)
		}
		wantTextRoundTrip(t, tt.mailbox)
	}
}

// textValue is a value with a text form.
type textValue[T any] interface {
	*T
	MarshalText() ([]byte, error)
	UnmarshalText([]byte) error
}

// fataler is what testing.T and rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// wantTextRoundTrip fails the test unless the value's text form parses to the
// value again.
func wantTextRoundTrip[T comparable, P textValue[T]](t fataler, value T) {
	t.Helper()
	text, err := P(&value).MarshalText()
	if err != nil {
		t.Fatalf("MarshalText of %#v: %v", value, err)
	}
	var again T
	if err := P(&again).UnmarshalText(text); err != nil {
		t.Fatalf("UnmarshalText of %q: %v", text, err)
	}
	if again != value {
		t.Fatalf("%q parses to %#v, want %#v", text, again, value)
	}
}

func TestMailboxUnmarshalKeepsValueOnError(t *testing.T) {
	m := Mailbox{Local: "user", Domain: "example.com"}
	for _, text := range []string{"x", "@a:b@c", "x@@y"} {
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("UnmarshalText(%q) succeeded", text)
		}
	}
	if m.String() != "user@example.com" {
		t.Errorf("value changed to %q", m)
	}
}

// drawDomain draws canonical names, A-labels among them.
func drawDomain(t *rapid.T) DomainName {
	text := rapid.StringMatching(`([a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?\.){0,3}(xn--bcher-kva|xn--fsqu00a|[a-z]{2,8})`).Draw(t, "domain")
	name, err := ParseDomainName(text)
	if err != nil {
		t.Skip("an A-label that is none")
	}
	return name
}

func TestMailboxRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Mailbox{
			Local:  rapid.StringMatching(`[ -~éüß字]{0,15}`).Draw(t, "local"),
			Domain: drawDomain(t),
		}
		if rapid.Bool().Draw(t, "literal") {
			m.Domain, m.Literal = "", drawAddr(t)
		}
		again, err := ParseMailbox(m.String())
		if err != nil {
			t.Fatalf("ParseMailbox(%q): %v", m, err)
		}
		if again != m {
			t.Fatalf("%q parses to %#v, want %#v", m, again, m)
		}
		wantTextRoundTrip(t, m)
	})
}

func FuzzParseMailbox(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMailbox(s)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		checkMailbox(t, m)
	})
}

// checkMailbox fails the test unless m keeps what every parsed mailbox
// promises.
func checkMailbox(t *testing.T, m Mailbox) {
	t.Helper()
	wire := m.String()
	if (m.Domain != "") == m.Literal.IsValid() {
		t.Errorf("%q: not exactly one of name and literal", wire)
	}
	if len(wire) > maxMailboxOctets || len(quoteLocal(m.Local)) > maxLocalOctets {
		t.Errorf("%q is too long", wire)
	}
	if strings.ContainsAny(wire, "\x00\r\n") || !utf8.ValidString(wire) {
		t.Errorf("%q is unsafe", wire)
	}
	if again, err := ParseMailbox(wire); err != nil || again != m {
		t.Errorf("%q parses to %#v, %v", wire, again, err)
	}
}
