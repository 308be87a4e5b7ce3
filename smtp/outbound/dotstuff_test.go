package outbound

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// stuff writes the pieces and ends the content.
func stuff(pieces ...string) (string, error) {
	var out bytes.Buffer
	buffered := bufio.NewWriterSize(&out, 16)
	w := newDotWriter(buffered)
	for _, piece := range pieces {
		if _, err := io.WriteString(w, piece); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return out.String() + flushed(buffered, &out), nil
}

// flushed returns what was left in the buffer.
func flushed(w *bufio.Writer, out *bytes.Buffer) string {
	before := out.Len()
	_ = w.Flush()
	return out.String()[before:]
}

func TestDotStuffing(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"empty", "", ".\r\n"},
		{"plain", "a\r\nb\r\n", "a\r\nb\r\n.\r\n"},
		{"dot at the beginning", ".a\r\n", "..a\r\n.\r\n"},
		{"dot alone", ".\r\n", "..\r\n.\r\n"},
		{"dots in the middle", "a\r\n.\r\n..b\r\nc.\r\n", "a\r\n..\r\n...b\r\nc.\r\n.\r\n"},
		{"dot within a line", "a.b\r\n", "a.b\r\n.\r\n"},
		{"no end of line", "a", "a\r\n.\r\n"},
		{"dot without end of line", "a\r\n.", "a\r\n..\r\n.\r\n"},
		{"empty lines", "\r\n\r\n.\r\n", "\r\n\r\n..\r\n.\r\n"},
		{"carriage return at the end", "a\r", "a\r\r\n.\r\n"},
		{"an end within the content", "a\r\n.\r\nMAIL FROM:<x@y>\r\n", "a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := stuff(tt.content); err != nil || got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
			if got, err := stuff(strings.Split(tt.content, "")...); err != nil || got != tt.want {
				t.Errorf("octet by octet: got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// TestDotAfterBareLineFeed shows that the one dangerous sequence never goes out.
func TestDotAfterBareLineFeed(t *testing.T) {
	for _, content := range []string{"a\n.\r\n", "a\n.\n", "\n.", "\r\n\n.\r\n", "a\n\n.\r\n"} {
		for _, pieces := range [][]string{{content}, strings.Split(content, "")} {
			if got, err := stuff(pieces...); !errors.Is(err, errBareLineFeed) {
				t.Errorf("%q: got %q (%v)", pieces, got, err)
			}
		}
	}
}

// FuzzDotStuffing undoes the stuffing line by line and wants the content back,
// however it was cut into pieces.
func FuzzDotStuffing(f *testing.F) {
	f.Add("a\r\n.b\r\n", uint64(1))
	f.Add(".", uint64(2))
	f.Add("\r\n.\r\n", uint64(3))
	f.Add("\n\r.\r\r\n.", uint64(4))
	f.Fuzz(func(t *testing.T, content string, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		var pieces []string
		for rest := content; rest != ""; {
			n := 1 + random.IntN(len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		wire, err := stuff(pieces...)
		if err != nil {
			if !strings.Contains(content, "\n.") {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if got := unstuff(t, wire); got != content && got != content+"\r\n" {
			t.Errorf("got %q from %q", got, wire)
		}
	})
}

// unstuff reads as a receiver does.
func unstuff(t *testing.T, wire string) string {
	t.Helper()
	var content strings.Builder
	lines := strings.SplitAfter(wire, "\r\n")
	for i, line := range lines {
		switch {
		case line == ".\r\n":
			if rest := strings.Join(lines[i+1:], ""); rest != "" {
				t.Fatalf("%q follows the end", rest)
			}
			return content.String()
		case strings.HasPrefix(line, "."):
			line = line[1:]
		}
		content.WriteString(line)
	}
	t.Fatalf("no end in %q", wire)
	return ""
}

func BenchmarkDotStuffing(b *testing.B) {
	line := strings.Repeat("x", 76) + "\r\n"
	contents := map[string]string{
		"plain":     strings.Repeat(line, 13_000),
		"dots":      strings.Repeat("."+line, 13_000),
		"longLines": strings.Repeat(strings.Repeat("x", 990)+"\r\n", 1_000),
	}
	for _, name := range names(contents) {
		content := []byte(contents[name])
		b.Run(name, func(b *testing.B) {
			out := bufio.NewWriterSize(io.Discard, writeBuffer)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				w := newDotWriter(out)
				if _, err := w.Write(content); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
