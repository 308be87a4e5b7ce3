package dns_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

func TestLookupAddrs(t *testing.T) {
	d := smtptest.NewDNS(t)
	for _, name := range []string{"both.test", "bogus6.test", "bogus4.test"} {
		d.AddA(name, "192.0.2.1", "192.0.2.2")
		d.AddAAAA(name, "2001:db8::1")
	}
	d.AddA("four.test", "192.0.2.1")
	d.AddAAAA("mapped.test", "::ffff:192.0.2.9")
	d.AddTXT("none.test", "x")
	d.Fail("bogus6.test", "AAAA", smtptest.ServFail)
	d.Fail("bogus4.test", "A", smtptest.ServFail)
	d.AddTXT("failed.test", "x")
	d.Fail("failed.test", "AAAA", smtptest.ServFail)
	tests := []struct {
		name   string
		addrs  []string
		v4, v6 dns.Class
		fails  bool
	}{
		{"both.test", []string{"2001:db8::1", "192.0.2.1", "192.0.2.2"}, dns.Insecure, dns.Insecure, false},
		{"four.test", []string{"192.0.2.1"}, dns.Insecure, dns.NoData, false},
		{"mapped.test", []string{"192.0.2.9"}, dns.NoData, dns.Insecure, false},
		{"none.test", nil, dns.NoData, dns.NoData, false},
		{"absent.test", nil, dns.NoName, dns.NoName, false},
		{"bogus6.test", []string{"192.0.2.1", "192.0.2.2"}, dns.Insecure, dns.Bogus, false},
		{"bogus4.test", []string{"2001:db8::1"}, dns.Bogus, dns.Insecure, false},
		{"failed.test", nil, dns.NoData, dns.Bogus, true},
	}
	r := newResolver(t, dns.Config{}, d)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := r.LookupAddrs(t.Context(), mailaddr.DomainName(test.name))
			if (err != nil) != test.fails {
				t.Errorf("error %v, want one: %t", err, test.fails)
			}
			if diff := cmp.Diff(addrs(test.addrs...), got.Addrs(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
			if got.IPv4.Class != test.v4 || got.IPv6.Class != test.v6 {
				t.Errorf("classes %v and %v, want %v and %v", got.IPv4.Class, got.IPv6.Class, test.v4, test.v6)
			}
			if (got.IPv6.Err != nil) != (test.v6 == dns.Bogus) {
				t.Errorf("IPv6 error %v", got.IPv6.Err)
			}
		})
	}
}

func addrs(texts ...string) []netip.Addr {
	var result []netip.Addr
	for _, text := range texts {
		result = append(result, netip.MustParseAddr(text))
	}
	return result
}

func TestConfirmedNames(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddPTR("192.0.2.1", "Mail.example.com", "other.example.com", "-bad-.example.com", "mail.example.com", "gone.example.com")
	d.AddA("mail.example.com", "192.0.2.9", "192.0.2.1")
	d.AddA("other.example.com", "192.0.2.2")
	d.AddPTR("2001:db8::1", "six.example.com")
	d.AddAAAA("six.example.com", "2001:db8::1")
	d.AddPTR("192.0.2.3", "mail.example.com", "bogus.example.com")
	d.AddA("mail.example.com", "192.0.2.3")
	d.Fail("bogus.example.com", "A", smtptest.ServFail)
	d.Fail(smtptest.ReverseName(t, "192.0.2.4"), "PTR", smtptest.ServFail)
	d.AddPTR("192.0.2.6", "other.example.com", "gone.example.com")
	for i := range 30 {
		name := fmt.Sprintf("host%d.example.com", i)
		d.AddPTR("192.0.2.5", name)
		d.AddA(name, "192.0.2.5")
	}
	tests := []struct {
		addr  string
		want  []mailaddr.DomainName
		fails bool
	}{
		{"192.0.2.1", []mailaddr.DomainName{"mail.example.com"}, false},
		{"::ffff:192.0.2.1", []mailaddr.DomainName{"mail.example.com"}, false},
		{"2001:db8::1", []mailaddr.DomainName{"six.example.com"}, false},
		{"2001:db8::1%eth0", []mailaddr.DomainName{"six.example.com"}, false},
		{"2001:db8::2", nil, false},
		{"192.0.2.3", []mailaddr.DomainName{"mail.example.com"}, true},
		{"192.0.2.4", nil, true},
		{"192.0.2.6", nil, true},
	}
	r := newResolver(t, dns.Config{}, d)
	for _, test := range tests {
		got, err := r.ConfirmedNames(t.Context(), netip.MustParseAddr(test.addr))
		if (err != nil) != test.fails {
			t.Errorf("%s: error %v, want one: %t", test.addr, err, test.fails)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.addr, diff)
		}
	}

	got, err := r.ConfirmedNames(t.Context(), netip.MustParseAddr("192.0.2.5"))
	if err != nil || len(got) != 10 {
		t.Errorf("got %d names, %v, want the first 10", len(got), err)
	}
	_, err = r.ConfirmedNames(t.Context(), netip.MustParseAddr("192.0.2.6"))
	const claimed = "none of the PTR names leads back to 192.0.2.6: other.example.com, gone.example.com"
	if unconfirmed, ok := errors.AsType[*dns.UnconfirmedError](err); !ok || unconfirmed.Error() != claimed {
		t.Errorf("error %v for names that are claimed only", err)
	}
	if _, err := r.ConfirmedNames(t.Context(), netip.Addr{}); dns.ClassOf(err) != dns.Failed || err == nil {
		t.Errorf("error %v for no address", err)
	}
}

func TestLookupPTR(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddPTR("192.0.2.1", "mail.example.com", "192.0.2.1")
	r := newResolver(t, dns.Config{}, d)
	got, err := r.LookupPTR(t.Context(), netip.MustParseAddr("192.0.2.1"))
	want := dns.PTRResult{
		Answer: dns.Answer{Class: dns.Insecure, Checked: true, Canonical: "1.2.0.192.in-addr.arpa"},
		Names:  []mailaddr.DomainName{"mail.example.com"},
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookupTXT(t *testing.T) {
	d := smtptest.NewDNS(t)
	odd := "\x00\xff back\\slash \"quoted\" \\065 é;"
	d.AddTXT("a.test", "v=STSv1; ", "id=1;")
	d.AddTXT("a.test", odd)
	d.AddTXT("a.test", "")
	r := newResolver(t, dns.Config{}, d)
	got, err := r.LookupTXT(t.Context(), "a.test")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"v=STSv1; id=1;", odd, ""}, got.Texts); diff != "" {
		t.Error(diff)
	}
	if got, err := r.LookupTXT(t.Context(), "b.test"); err != nil || got.Class != dns.NoName {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLookupTLSA(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, []byte{0xab, 0xcd})
	d.AddTLSA("_25._tcp.mx.test", 200, 201, 202, []byte{1})
	d.Secure("_25._tcp.mx.test")
	r := newResolver(t, dns.Config{}, d)
	got, err := r.LookupTLSA(t.Context(), 25, "mx.test")
	if err != nil {
		t.Fatal(err)
	}
	want := dns.TLSAResult{
		Answer: dns.Answer{Class: dns.Secure, Authenticated: true, Checked: true, Canonical: "_25._tcp.mx.test"},
		Records: []dns.TLSA{
			{Usage: 3, Selector: 1, MatchingType: 1, Data: []byte{0xab, 0xcd}},
			{Usage: 200, Selector: 201, MatchingType: 202, Data: []byte{1}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLookupsFail: each kind of look-up passes the failure on.
func TestLookupsFail(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.Fail("a.test", "TXT", smtptest.ServFail)
	d.Fail("_25._tcp.a.test", "TLSA", smtptest.ServFail)
	r := newResolver(t, dns.Config{}, d)
	_, txt := r.LookupTXT(t.Context(), "a.test")
	_, tlsa := r.LookupTLSA(t.Context(), 25, "a.test")
	for _, err := range []error{txt, tlsa} {
		if err == nil || dns.ClassOf(err) != dns.Bogus {
			t.Errorf("error %v", err)
		}
	}
}
