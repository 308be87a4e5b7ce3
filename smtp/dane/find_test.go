package dane_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/domain/mailaddr"
	"postern/smtp/dane"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// TestFind has each case of RFC 7672 §2.2.
func TestFind(t *testing.T) {
	digest := sum256(nil)
	// signed gives the host signed addresses and a record.
	signed := func(d *smtptest.DNS) {
		d.AddA("mx.test", "192.0.2.1")
		d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest)
		d.Secure("mx.test", "_25._tcp.mx.test")
	}
	// alias makes the host an alias whose target has the addresses; out leads it
	// out of the signed zones.
	alias := func(d *smtptest.DNS, out bool) {
		d.AddCNAME("mx.test", "target.test")
		d.AddA("target.test", "192.0.2.1")
		d.SecureType("CNAME", "mx.test")
		d.Secure("_25._tcp.mx.test", "_25._tcp.target.test")
		if !out {
			d.SecureType("A", "mx.test")
		}
	}
	const host = "_25._tcp.mx.test TLSA"
	for name, test := range map[string]struct {
		zone   func(*smtptest.DNS)
		state  dane.State
		base   mailaddr.DomainName
		asked  string // a question that came; "" where none for TLSA did
		detail string
	}{
		"usable": {signed, dane.Usable, "mx.test", host, ""},
		"unsigned host": {func(d *smtptest.DNS) {
			d.AddA("mx.test", "192.0.2.1")
			d.Fail("_25._tcp.mx.test", "TLSA", smtptest.ServFail)
		}, dane.Absent, "", "", "not signed"},
		"no records": {func(d *smtptest.DNS) { signed(d); d.Remove("_25._tcp.mx.test", "TLSA") }, dane.Absent, "", host, "no TLSA records"},
		"unusable alone": {func(d *smtptest.DNS) {
			signed(d)
			d.Remove("_25._tcp.mx.test", "TLSA")
			d.AddTLSA("_25._tcp.mx.test", 1, 1, 1, digest)
		}, dane.Unusable, "mx.test", host, ""},
		"bogus":   {func(d *smtptest.DNS) { signed(d); d.Fail("_25._tcp.mx.test", "TLSA", smtptest.ServFail) }, dane.Failed, "", host, "bogus"},
		"silent":  {func(d *smtptest.DNS) { signed(d); d.Fail("_25._tcp.mx.test", "TLSA", smtptest.Unanswered) }, dane.Failed, "", host, "timeout"},
		"refused": {func(d *smtptest.DNS) { signed(d); d.Fail("_25._tcp.mx.test", "TLSA", smtptest.Refused) }, dane.Failed, "", host, "REFUSED"},
		"records unsigned": {func(d *smtptest.DNS) {
			d.AddA("mx.test", "192.0.2.1")
			d.Secure("mx.test")
			d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest)
		}, dane.Absent, "", host, "no TLSA records"},
		"IPv6 alone is signed": {func(d *smtptest.DNS) {
			d.AddA("mx.test", "192.0.2.1")
			d.AddAAAA("mx.test", "2001:db8::1")
			d.SecureType("AAAA", "mx.test")
			d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest)
			d.Secure("_25._tcp.mx.test")
		}, dane.Usable, "mx.test", host, ""},
		"IPv6 fails, IPv4 is signed":   {func(d *smtptest.DNS) { signed(d); d.Fail("mx.test", "AAAA", smtptest.ServFail) }, dane.Usable, "mx.test", host, ""},
		"IPv6 fails, IPv4 is unsigned": {func(d *smtptest.DNS) { d.AddA("mx.test", "192.0.2.1"); d.Fail("mx.test", "AAAA", smtptest.ServFail) }, dane.Absent, "", "", "not signed"},
		"alias, records of the target": {func(d *smtptest.DNS) { alias(d, false); d.AddTLSA("_25._tcp.target.test", 3, 1, 1, digest) }, dane.Usable, "target.test", "_25._tcp.target.test TLSA", ""},
		"alias, records of both": {func(d *smtptest.DNS) {
			alias(d, false)
			d.AddTLSA("_25._tcp.target.test", 3, 1, 1, digest)
			d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest)
		}, dane.Usable, "target.test", "_25._tcp.target.test TLSA", ""},
		"alias, records of its own": {func(d *smtptest.DNS) { alias(d, false); d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest) }, dane.Usable, "mx.test", host, ""},
		"alias, the target's fail": {func(d *smtptest.DNS) {
			alias(d, false)
			d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest)
			d.Fail("_25._tcp.target.test", "TLSA", smtptest.ServFail)
		}, dane.Failed, "", "_25._tcp.target.test TLSA", "bogus"},
		"alias out, its own records": {func(d *smtptest.DNS) { alias(d, true); d.AddTLSA("_25._tcp.mx.test", 3, 1, 1, digest) }, dane.Usable, "mx.test", host, ""},
		"alias out, none":            {func(d *smtptest.DNS) { alias(d, true); d.AddTLSA("_25._tcp.target.test", 3, 1, 1, digest) }, dane.Absent, "", host, "no TLSA records"},
		"unsigned alias": {func(d *smtptest.DNS) {
			d.AddCNAME("mx.test", "target.test")
			d.AddA("target.test", "192.0.2.1")
			d.Secure("target.test")
		}, dane.Absent, "", "", "not signed"},
		"alias fails": {func(d *smtptest.DNS) { alias(d, true); d.Fail("mx.test", "CNAME", smtptest.ServFail) }, dane.Failed, "", "mx.test. CNAME", "bogus"},
	} {
		t.Run(name, func(t *testing.T) {
			d := smtptest.NewDNS(t)
			test.zone(d)
			r := dns.New(dns.Config{Servers: []string{d.Addr()}, Timeout: 100 * time.Millisecond})
			t.Cleanup(r.Close)
			addrs, err := r.LookupAddrs(t.Context(), "mx.test")
			if err != nil {
				t.Fatal(err)
			}
			got := dane.Find(t.Context(), r, 25, "mx.test", addrs)
			if got.State != test.state || got.Base != test.base || !strings.Contains(got.Detail, test.detail) {
				t.Errorf("got state %d at %q (%s), want %d at %q", got.State, got.Base, got.Detail, test.state, test.base)
			}
			if (got.State == dane.Usable) != (len(got.Records) > 0) || (got.Base != "") != (len(got.All) > 0) {
				t.Errorf("records %v of %v", got.Records, got.All)
			}
			queries := strings.Join(d.Queries(), "\n")
			if test.asked == "" && strings.Contains(queries, "TLSA") || !strings.Contains(queries, strings.TrimSuffix(test.asked, " TLSA")) {
				t.Errorf("asked %s", queries)
			}
		})
	}
}

// TestStandInIsNoDenial: an answer from a resolver that vouches for nothing shows
// neither that a host is unsigned nor that it has no records.
func TestStandInIsNoDenial(t *testing.T) {
	secure := dns.Answer{Class: dns.Secure, Authenticated: true, Checked: true, Canonical: "mx.test"}
	for name, test := range map[string]struct {
		address, tlsa, alias dns.Answer
	}{
		"addresses": {address: dns.Answer{Class: dns.Insecure, Canonical: "mx.test"}},
		"records":   {address: secure, tlsa: dns.Answer{Class: dns.NoData}},
		"alias":     {address: dns.Answer{Class: dns.Insecure, Checked: true, Canonical: "target.test"}, alias: dns.Answer{Class: dns.Insecure}},
	} {
		addrs := dns.AddrResult{IPv4: dns.Family{Answer: test.address}}
		got := dane.Find(t.Context(), answers{test.tlsa, test.alias}, 25, "mx.test", addrs)
		if got.State != dane.Failed || !strings.Contains(got.Detail, "no validating resolver answered") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// answers are always the same.
type answers struct{ tlsa, alias dns.Answer }

func (a answers) LookupTLSA(context.Context, uint16, mailaddr.DomainName) (dns.TLSAResult, error) {
	return dns.TLSAResult{Answer: a.tlsa}, nil
}

func (a answers) LookupCNAME(context.Context, mailaddr.DomainName) (dns.Answer, error) {
	return a.alias, nil
}
