package reply_test

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/reply"
)

func read(text string, limits reply.Limits) (reply.Reply, error) {
	// The smallest buffer, so that lines are put together from pieces.
	return reply.Read(bufio.NewReaderSize(strings.NewReader(text), 16), limits)
}

func TestRead(t *testing.T) {
	status := func(subject, detail int) reply.Status { return reply.Status{Subject: subject, Detail: detail} }
	tests := []struct {
		name string
		text string
		want reply.Reply
	}{
		{"enhanced", "250 2.1.5 fine\r\n", reply.Reply{Code: 250, Status: status(1, 5), Lines: []string{"fine"}}},
		{"plain", "250 fine\r\n", reply.Reply{Code: 250, Plain: true, Lines: []string{"fine"}}},
		{"LF ends a line", "250 fine\n", reply.Reply{Code: 250, Plain: true, Lines: []string{"fine"}}},
		{"no text", "250\r\n", reply.Reply{Code: 250, Plain: true, Lines: []string{""}}},
		{"space only", "250 \r\n", reply.Reply{Code: 250, Plain: true, Lines: []string{""}}},
		{"enhanced code only", "550 5.1.1\r\n", reply.Reply{Code: 550, Status: status(1, 1), Lines: []string{""}}},
		{"EHLO", "250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n", reply.Reply{Code: 250, Plain: true, Lines: []string{"mx.example", "SIZE 1000", "STARTTLS"}}},
		{"enhanced on every line", "550-5.7.1 no\r\n550 5.7.1 never\r\n", reply.Reply{Code: 550, Status: status(7, 1), Lines: []string{"no", "never"}}},
		{"enhanced on the first line only", "550-5.7.1 no\r\n550 never\r\n", reply.Reply{Code: 550, Status: status(7, 1), Lines: []string{"no", "never"}}},
		{"another enhanced code stays text", "550-5.7.1 no\r\n550 5.1.1 never\r\n", reply.Reply{Code: 550, Status: status(7, 1), Lines: []string{"no", "5.1.1 never"}}},
		{"enhanced code not first stays text", "550-no\r\n550 5.1.1 never\r\n", reply.Reply{Code: 550, Plain: true, Lines: []string{"no", "5.1.1 never"}}},
		{"enhanced class that differs counts nothing", "550 4.7.1 odd\r\n", reply.Reply{Code: 550, Plain: true, Lines: []string{"4.7.1 odd"}}},
		{"version numbers are no enhanced code", "220 2.0.0rc1 server\r\n", reply.Reply{Code: 220, Plain: true, Lines: []string{"2.0.0rc1 server"}}},
		{"numbers too long", "550 5.7.1000 odd\r\n", reply.Reply{Code: 550, Plain: true, Lines: []string{"5.7.1000 odd"}}},
		{"3yz has none", "354 3.0.0 go\r\n", reply.Reply{Code: 354, Plain: true, Lines: []string{"3.0.0 go"}}},
		{"odd second digit", "278 what\r\n", reply.Reply{Code: 278, Plain: true, Lines: []string{"what"}}},
		{"foreign octets", "250 \xff\x00\r\r\n", reply.Reply{Code: 250, Plain: true, Lines: []string{"\xff\x00\r"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := read(test.text, reply.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadLeavesTheNextReply(t *testing.T) {
	br := bufio.NewReader(strings.NewReader("250 one\r\n550 two\r\n"))
	for _, want := range []int{250, 550} {
		r, err := reply.Read(br, reply.Limits{})
		if err != nil || r.Code != want {
			t.Fatalf("got %v, %v, want code %d", r, err, want)
		}
	}
	if _, err := reply.Read(br, reply.Limits{}); !errors.Is(err, io.EOF) {
		t.Errorf("error %v at the end, want EOF", err)
	}
}

func TestReadRefusesMalformedReplies(t *testing.T) {
	for _, text := range []string{
		"\r\n", "25\r\n", "abc def\r\n", "199 low\r\n", "600 high\r\n", "2x0 no\r\n", "250\tfine\r\n", "2500 fine\r\n",
		"250-one\r\n251 two\r\n", "250-one\r\nhello\r\n", " 250 fine\r\n", "HTTP/1.1 400 Bad Request\r\n",
	} {
		_, err := read(text, reply.Limits{})
		if syntax := (*reply.SyntaxError)(nil); !errors.As(err, &syntax) {
			t.Errorf("%q: error %v, want a syntax error", text, err)
		}
	}
}

func TestReadAtTheEnd(t *testing.T) {
	tests := []struct {
		text string
		want error
	}{
		{"", io.EOF},
		{"25", io.ErrUnexpectedEOF},
		{"250 fine", io.ErrUnexpectedEOF},
		{"250-one\r\n", io.ErrUnexpectedEOF},
		{"250-one\r\n250", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		// errors.Is would not tell EOF within the reply from EOF before it.
		if _, err := read(test.text, reply.Limits{}); err != test.want { //nolint:errorlint // see above
			t.Errorf("%q: error %v, want %v", test.text, err, test.want)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		limits reply.Limits
		fits   bool
	}{
		{"128 lines", strings.Repeat("250-x\r\n", 127) + "250 x\r\n", reply.Limits{}, true},
		{"129 lines", strings.Repeat("250-x\r\n", 128) + "250 x\r\n", reply.Limits{}, false},
		{"64 KiB", "250 " + strings.Repeat("x", 64<<10-6) + "\r\n", reply.Limits{}, true},
		{"64 KiB and one", "250 " + strings.Repeat("x", 64<<10-5) + "\r\n", reply.Limits{}, false},
		{"no line end", strings.Repeat("2", 1<<20), reply.Limits{}, false},
		{"own line limit", "250-x\r\n250 x\r\n", reply.Limits{Lines: 1}, false},
		{"own octet limit", "250 fine\r\n", reply.Limits{Octets: 9}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(test.text, test.limits)
			if test.fits && err != nil {
				t.Errorf("error %v, want it to fit", err)
			}
			if !test.fits && !errors.Is(err, reply.ErrTooLong) {
				t.Errorf("error %v, want %v", err, reply.ErrTooLong)
			}
		})
	}
}

func TestParse(t *testing.T) {
	got, err := reply.Parse([]string{"450-4.7.5 one", "450 4.7.5 two"})
	if err != nil {
		t.Fatal(err)
	}
	want := reply.New(450, reply.Status{Subject: 7, Detail: 5}, "one", "two")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, lines := range [][]string{nil, {"250-one"}, {"250 one", "250 two"}, {"250-one", "x"}} {
		if _, err := reply.Parse(lines); err == nil {
			t.Errorf("%q parsed", lines)
		}
	}
}

func TestSyntaxErrorIsSafeToLog(t *testing.T) {
	_, err := reply.Parse([]string{"\x1b[2J" + strings.Repeat("x", 10_000)})
	if err == nil || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 300 {
		t.Errorf("error %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"250 2.0.0 OK\r\n", "250-a\r\n250 b\n", "550 5.7.1000 x\r\n", "354\n", "250-\n", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := read(text, reply.Limits{Lines: 8, Octets: 256})
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 || len(r.Lines) < 1 || len(r.Lines) > 8 {
			t.Fatalf("%q gave %#v", text, r)
		}
		again, err := read(string(r.Append(nil)), reply.Limits{})
		if err != nil {
			t.Fatalf("own form of %q is refused: %v", text, err)
		}
		if again.Code != r.Code || again.Status != r.Status || len(again.Lines) != len(r.Lines) {
			t.Fatalf("%#v came back as %#v", r, again)
		}
	})
}
