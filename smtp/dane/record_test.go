package dane_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/dane"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

func tlsa(usage, selector, matching uint8, data []byte) dns.TLSA {
	return dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: data}
}

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func TestUsable(t *testing.T) {
	leaf := smtptest.NewCA(t).IssueFor(t, "mx.test").Leaf
	long := bytes.Repeat([]byte{0x30}, 1<<15)
	for name, test := range map[string]struct {
		record dns.TLSA
		want   bool
	}{
		"3 1 1":                  {tlsa(3, 1, 1, sum256(nil)), true},
		"3 0 2":                  {tlsa(3, 0, 2, sum512(nil)), true},
		"2 0 1":                  {tlsa(2, 0, 1, sum256(nil)), true},
		"3 0 0":                  {tlsa(3, 0, 0, leaf.Raw), true},
		"3 1 0":                  {tlsa(3, 1, 0, leaf.RawSubjectPublicKeyInfo), true},
		"2 1 0":                  {tlsa(2, 1, 0, leaf.RawSubjectPublicKeyInfo), true},
		"PKIX-TA":                {tlsa(0, 1, 1, sum256(nil)), false},
		"PKIX-EE":                {tlsa(1, 1, 1, sum256(nil)), false},
		"private usage":          {tlsa(255, 1, 1, sum256(nil)), false},
		"unknown selector":       {tlsa(3, 2, 1, sum256(nil)), false},
		"unknown matching type":  {tlsa(3, 1, 3, sum256(nil)), false},
		"SHA-256 cut short":      {tlsa(3, 1, 1, sum256(nil)[:31]), false},
		"SHA-256 too long":       {tlsa(3, 1, 1, sum512(nil)), false},
		"SHA-512 cut short":      {tlsa(3, 1, 2, sum256(nil)), false},
		"no data":                {tlsa(3, 1, 1, nil), false},
		"three octets":           {tlsa(2, 0, 0, nil), false},
		"no certificate":         {tlsa(2, 0, 0, leaf.Raw[:len(leaf.Raw)-1]), false},
		"no key":                 {tlsa(3, 1, 0, leaf.Raw), false},
		"longer than handshakes": {tlsa(3, 0, 0, long), false},
	} {
		if got := len(dane.UsableOf([]dns.TLSA{test.record})) == 1; got != test.want {
			t.Errorf("%s: usable %t", name, got)
		}
	}
}

// TestDigestAgility: beside a stronger digest for the same usage and selector a
// weaker one does not count (RFC 7671 §9).
func TestDigestAgility(t *testing.T) {
	records := []dns.TLSA{
		tlsa(3, 1, 1, sum256(nil)), tlsa(3, 1, 2, sum512(nil)), // the stronger counts
		tlsa(3, 0, 1, sum256(nil)), // of another selector
		tlsa(2, 1, 1, sum256(nil)), // of another usage
		tlsa(2, 1, 2, sum256(nil)), // no digest at all: unusable, and outdoes nothing
	}
	var got []string
	for _, r := range dane.UsableOf(records) {
		got = append(got, r.String()[:5])
	}
	if diff := cmp.Diff([]string{"3 1 2", "3 0 1", "2 1 1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestManyRecords(t *testing.T) {
	var records []dns.TLSA
	for range 1000 {
		records = append(records, tlsa(3, 1, 1, sum256(nil)))
	}
	if n := len(dane.UsableOf(records)); n != 50 {
		t.Errorf("%d records are looked at", n)
	}
}

func TestText(t *testing.T) {
	if got := dane.Text(tlsa(3, 1, 1, []byte{0xab, 0xcd})); got != "3 1 1 abcd" {
		t.Errorf("got %q", got)
	}
	if got := dane.Text(tlsa(9, 8, 0, bytes.Repeat([]byte{1}, 100))); !strings.HasPrefix(got, "9 8 0 0101") || !strings.HasSuffix(got, "01…") || len(got) > 140 {
		t.Errorf("got %q", got)
	}
}
