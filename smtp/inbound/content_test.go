package inbound

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"postern/smtp/reply"
)

// decodeAll feeds text in pieces of the given size.
func decodeAll(text string, size int) (content string, rest string, ended bool) {
	var out bytes.Buffer
	d := dotDecoder{dst: &out}
	for len(text) > 0 {
		piece := text[:min(size, len(text))]
		used, err := d.decode([]byte(piece))
		text = text[used:]
		if errors.Is(err, errEndOfData) {
			return out.String(), text, true
		}
	}
	return out.String(), "", false
}

func TestDotDecoder(t *testing.T) {
	for _, tc := range []struct{ in, want, rest string }{
		{".\r\n", "", ""},
		{".\r\nQUIT\r\n", "", "QUIT\r\n"},
		{"a\r\n.\r\n.\r\n", "a\r\n", ".\r\n"},
		{"..\r\n.\r\n", ".\r\n", ""},
		{"...\r\n.\r\n", "..\r\n", ""},
		{".a\r\n.\r\n", "a\r\n", ""},
		{"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", ""},
		{"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", ""},
		{"a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", ""},
		{"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", ""},
		{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", ""},
		{"a\r\r\n.\r\n", "a\r\r\n", ""},
		{"a\r\n.\n\r\n.\r\n", "a\r\n\n\r\n", ""},
	} {
		for size := 1; size <= len(tc.in); size++ {
			content, rest, ended := decodeAll(tc.in, size)
			if content != tc.want || !ended || !strings.HasPrefix(tc.rest, rest) {
				t.Errorf("%q in pieces of %d: %q, rest %q, ended %t", tc.in, size, content, rest, ended)
			}
		}
	}
}

// FuzzDotDecoder holds the decoder to what it is for: the pieces do not matter,
// what a correct client stuffs comes out again, and only CRLF.CRLF ends it.
func FuzzDotDecoder(f *testing.F) {
	for _, seed := range []string{"", ".", "\r\n.\r\n", "a\r\n..b\r\n", "\n.\n", "\r.\r\n", ".\r.\r\n"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = max(1, size%64)
		whole, _, ended := decodeAll(text, max(1, len(text)))
		pieces, _, endedInPieces := decodeAll(text, size)
		if whole != pieces || ended != endedInPieces {
			t.Fatalf("%q: %q (%t) at once, %q (%t) in pieces of %d", text, whole, ended, pieces, endedInPieces, size)
		}
		if ends := strings.HasPrefix(text, ".\r\n") || strings.Contains(text, "\r\n.\r\n"); ends != ended {
			t.Fatalf("%q: ended %t, want %t", text, ended, ends)
		}
		stuffed := strings.ReplaceAll("\r\n"+text, "\r\n.", "\r\n..")[2:]
		content, _, ended := decodeAll(stuffed+"\r\n.\r\n", size)
		if !ended || content != text+"\r\n" {
			t.Fatalf("%q came back as %q", text+"\r\n", content)
		}
	})
}

// The limits of the contents under test.
const (
	testMaxLine   = 2000
	testMaxHeader = 10_000
)

func limited(dst io.Writer) *content {
	return &content{dst: dst, maxBytes: 1 << 20, maxHeader: testMaxHeader, maxLine: testMaxLine}
}

func check(text string, size int) (*content, string) {
	var out bytes.Buffer
	c := limited(&out)
	for len(text) > 0 {
		n := min(size, len(text))
		_, _ = c.Write([]byte(text[:n]))
		text = text[n:]
	}
	c.finish()
	return c, out.String()
}

func TestContentChecks(t *testing.T) {
	bare := reply.BareLineEnd()
	long := reply.ContentLineTooLong()
	header := reply.HeaderTooBig()
	field := "X: " + strings.Repeat("x", 95) + "\r\n" // 100 octets
	for _, tc := range []struct {
		in   string
		want *reply.Reply
	}{
		{"", nil},
		{"a\r\n\r\nb\r\n", nil},
		{"a\n", &bare},
		{"\n", &bare},
		{"a\rb\r\n", &bare},
		{"a\r\r\n", &bare},
		{"\r\r\n", &bare},
		{"a\r\n\r", &bare},
		{"a\r\nb", &bare},
		{strings.Repeat("x", testMaxLine-1) + "\r\n", &long},
		{strings.Repeat("x", testMaxLine-2) + "\r\n", nil},
		{strings.Repeat(field, testMaxHeader/100) + field, &header},
		{strings.Repeat(field, testMaxHeader/100-1) + "\r\n" + strings.Repeat(field, testMaxHeader/50), nil},
	} {
		for _, size := range []int{1, 2, 3, 7, 1000, 1 << 20} {
			c, out := check(tc.in, size)
			switch {
			case tc.want == nil && (c.refused != nil || out != tc.in):
				t.Errorf("%.20q in pieces of %d: refused %v", tc.in, size, c.refused)
			case tc.want != nil && (c.refused == nil || c.refused.String() != tc.want.String()):
				t.Errorf("%.20q in pieces of %d: %v, want %v", tc.in, size, c.refused, tc.want)
			}
		}
	}
}

func TestContentLooksAtOctets(t *testing.T) {
	for text, want := range map[string][2]bool{ // 8-bit anywhere, 8-bit in the header
		"Subject: x\r\n\r\nplain\r\n":                            {false, false},
		"Subject: x\r\n\r\n" + strings.Repeat("a", 99) + "ü\r\n": {true, false},
		"Subject: ü\r\n\r\nplain\r\n":                            {true, true},
	} {
		for _, size := range []int{1, 5, 1000} {
			if c, _ := check(text, size); c.eightBit != want[0] || c.utf8Head != want[1] {
				t.Errorf("%q in pieces of %d: 8-bit %t, in the header %t", text, size, c.eightBit, c.utf8Head)
			}
		}
	}
}

// FuzzContent: what is accepted has only CRLF line ends and is passed on as it
// came, in whatever pieces.
func FuzzContent(f *testing.F) {
	for _, seed := range []string{"a\r\n", "a\n", "\r\r\n", "a\r", "Received: x\r\n\r\nb\r\n", "\xff\r\n"} {
		f.Add(seed, 2)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = max(1, size%64)
		whole, _ := check(text, max(1, len(text)))
		pieces, out := check(text, size)
		if (whole.refused == nil) != (pieces.refused == nil) || whole.eightBit != pieces.eightBit && whole.refused == nil {
			t.Fatalf("%q: %v at once, %v in pieces of %d", text, whole.refused, pieces.refused, size)
		}
		bare := strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n")
		whole1 := text == "" || strings.HasSuffix(text, "\r\n")
		if pieces.refused == nil && (bare || !whole1 || out != text) {
			t.Fatalf("%q was accepted as %q", text, out)
		}
	})
}

func BenchmarkContent4KiB(b *testing.B) {
	line := strings.Repeat("x", 70) + "\r\n"
	stuffed := []byte("Subject: x\r\n\r\n" + strings.Repeat(line, 57) + ".\r\n")
	b.SetBytes(int64(len(stuffed)))
	for b.Loop() {
		c := limited(discard{})
		d := dotDecoder{dst: c}
		if _, err := d.decode(stuffed); !errors.Is(err, errEndOfData) {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
