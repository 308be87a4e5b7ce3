package reply_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"postern/smtp/reply"
)

func TestWireForm(t *testing.T) {
	tests := []struct {
		name  string
		reply reply.Reply
		want  string
	}{
		{"one line", reply.New(250, reply.Status{Subject: 1, Detail: 5}, "fine"), "250 2.1.5 fine\r\n"},
		{"class follows the code", reply.New(450, reply.Status{Subject: 7, Detail: 4}, "later"), "450 4.7.4 later\r\n"},
		{"several lines", reply.New(550, reply.Status{Subject: 7, Detail: 1}, "no", "never"), "550-5.7.1 no\r\n550 5.7.1 never\r\n"},
		{"no text", reply.New(250, reply.Status{}), "250 2.0.0 \r\n"},
		{"plain", reply.Reply{Code: 220, Plain: true, Lines: []string{"mx.example ESMTP"}}, "220 mx.example ESMTP\r\n"},
		{"3yz never has an enhanced code", reply.Reply{Code: 354, Lines: []string{"go"}}, "354 go\r\n"},
		{"line ends cannot be smuggled in", reply.NotImplemented("X\r\n250 OK"), "502 5.5.1 X??250 OK is not available\r\n"},
		{"only ASCII", reply.BadSequence("é"), "503 5.5.1 ??\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(test.reply.Append(nil)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWireLineFitsTheLimit(t *testing.T) {
	wire := reply.New(599, reply.Status{Subject: 999, Detail: 999}, strings.Repeat("x", 2000)).Append(nil)
	// RFC 5321 §4.5.3.1.5: 512 octets with code and line end.
	if len(wire) != 512 {
		t.Errorf("a line of %d octets, want it cut to 512", len(wire))
	}
}

type countingWriter struct {
	bytes.Buffer
	writes int
	err    error
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	if w.err != nil {
		return 0, w.err
	}
	return w.Buffer.Write(p)
}

func TestWriteToIsOneWrite(t *testing.T) {
	var w countingWriter
	n, err := reply.New(550, reply.Status{Subject: 7, Detail: 1}, "a", "b").WriteTo(&w)
	if err != nil || n != int64(w.Len()) || w.writes != 1 {
		t.Errorf("n %d of %d, %d writes, error %v", n, w.Len(), w.writes, err)
	}
}

func TestWriteToReportsFailure(t *testing.T) {
	broken := errors.New("broken pipe")
	if _, err := reply.OK().WriteTo(&countingWriter{err: broken}); !errors.Is(err, broken) {
		t.Errorf("error %v, want it to wrap %v", err, broken)
	}
}

func TestClasses(t *testing.T) {
	tests := []struct {
		code                                         int
		positive, intermediate, temporary, permanent bool
	}{
		{250, true, false, false, false},
		{354, false, true, false, false},
		{421, false, false, true, false},
		{550, false, false, false, true},
	}
	for _, test := range tests {
		r := reply.Reply{Code: test.code}
		if r.Positive() != test.positive || r.Intermediate() != test.intermediate ||
			r.Temporary() != test.temporary || r.Permanent() != test.permanent {
			t.Errorf("%d has the wrong class", test.code)
		}
		if got := r.Enhanced()[0]; got != test.code/100 {
			t.Errorf("%d has enhanced class %d", test.code, got)
		}
	}
}

func TestPermanently(t *testing.T) {
	// B28: deferred with 4.7.4, bounced on expiry with 5.7.4.
	if got := reply.TLSNotOffered().Permanently(); got.Code != 550 || got.EnhancedString() != "5.7.4" {
		t.Errorf("got %v", got)
	}
	if got := reply.OK().Permanently(); got.Code != 250 {
		t.Errorf("250 became %d", got.Code)
	}
}

func TestString(t *testing.T) {
	foreign := reply.Reply{Code: 550, Plain: true, Lines: []string{"no\x1b[2J", "really"}}
	if got, want := foreign.String(), `550 no\x1b[2J really`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	long := reply.Reply{Code: 550, Plain: true, Lines: []string{strings.Repeat("x", 10_000)}}
	if got := len(long.String()); got > 512 {
		t.Errorf("%d octets, want at most 512", got)
	}
	if got := (reply.Reply{Code: 250, Plain: true}).String(); got != "250" {
		t.Errorf("got %q", got)
	}
	if got := reply.Queued("Q1").Text(); got != "queued as Q1" {
		t.Errorf("got %q", got)
	}
}
