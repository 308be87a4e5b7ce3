package dns

import (
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// FuzzReadAnswer reads what a hostile resolver could send.
func FuzzReadAnswer(f *testing.F) {
	for _, lines := range [][]string{
		{"a.test. 60 IN MX 10 mx.a.test."},
		{"a.test. 60 IN CNAME b.test.", "b.test. 30 IN MX 10 mx.a.test."},
		{"a.test. 60 IN CNAME a.test."},
		{`a.test. 60 IN TXT "\000\"x"`},
	} {
		m := newQuery(questionOf("a.test", mdns.TypeMX))
		m.Response, m.RecursionAvailable = true, true
		for _, line := range lines {
			rr, err := mdns.NewRR(line)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		octets, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(octets)
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		m := new(mdns.Msg)
		if m.Unpack(octets) != nil {
			return
		}
		found, class, err := readAnswer(m, questionOf("a.test", mdns.TypeMX), false)
		switch {
		case err != nil && class != Bogus && class != Failed:
			t.Fatalf("error %v of class %v", err, class)
		case err == nil && (found.Authenticated || found.Class == Secure):
			t.Fatal("an untrusted answer is secure")
		case err == nil && found.Class.Found() != (len(found.rrs) > 0):
			t.Fatalf("class %v with %d records", found.Class, len(found.rrs))
		case found.ttl < 0 || found.ttl > time.Hour:
			t.Fatalf("TTL %v", found.ttl)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{`plain`, `\065\"`, `\\`, `\25`, `\999`, `\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := unescape(text); len(got) > len(text) {
			t.Fatalf("%q became longer: %q", text, got)
		}
	})
}
