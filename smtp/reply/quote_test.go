package reply_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"postern/smtp/reply"
)

func TestQuote(t *testing.T) {
	tests := []struct {
		text  string
		limit int
		want  string
	}{
		{"plain text", 80, "plain text"},
		{"exactly10!", 10, "exactly10!"},
		{"exactly10!x", 10, "exactly…"},
		{"a\r\nb", 80, `a\r\nb`},
		{"\x1b[31m\x00", 80, `\x1b[31m\x00`},
		{"bad \xff UTF-8", 80, `bad \xff UTF-8`},
		{"Grüße", 80, "Grüße"},
		{"turn \u202e around", 80, `turn \u202e around`},
		{`back\slash and "quotes"`, 80, `back\\slash and "quotes"`},
		{"\x00\x00\x00", 8, `\x00…`},
		{"", 3, ""},
		{"abcd", 3, "…"},
	}
	for _, test := range tests {
		if got := reply.Quote(test.text, test.limit); got != test.want {
			t.Errorf("Quote(%q, %d) = %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\r\nb\xff…", 10)
	f.Add(strings.Repeat("é", 20), 13)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(3, min(limit, 1000))
		quoted := reply.Quote(text, limit)
		if len(quoted) > limit || !utf8.ValidString(quoted) {
			t.Fatalf("Quote(%q, %d) = %q", text, limit, quoted)
		}
		for _, r := range quoted {
			if !strconv.IsPrint(r) {
				t.Fatalf("%q holds %U", quoted, r)
			}
		}
	})
}
