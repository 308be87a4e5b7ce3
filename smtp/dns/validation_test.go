package dns_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

var touchstones = dns.Touchstones{Signed: "signed.test", Bogus: "bogus.test"}

// validating is a resolver that refuses the bogus name and vouches for the signed
// one.
func validating(t *testing.T) *smtptest.DNS {
	t.Helper()
	d := smtptest.NewDNS(t)
	d.Secure("signed.test")
	d.AddA("bogus.test", "192.0.2.1")
	d.Fail("bogus.test", "A", smtptest.ServFail)
	return d
}

func TestExamine(t *testing.T) {
	tests := map[string]struct {
		change func(*smtptest.DNS)
		want   dns.Verdict
		detail string
	}{
		"validates": {func(*smtptest.DNS) {}, dns.Validates, "signed.test is vouched for, and bogus.test refused"},
		"refuses":   {func(d *smtptest.DNS) { d.Fail("signed.test", "SOA", smtptest.Refused) }, dns.Unproven, "REFUSED"},
		"AD bit of another": {
			func(d *smtptest.DNS) { d.Fail("bogus.test", "A", smtptest.NoFailure) }, dns.NotValidating, "answers for bogus.test",
		},
		"vouches for the bogus name": {
			func(d *smtptest.DNS) { d.Fail("bogus.test", "A", smtptest.NoFailure); d.Secure("bogus.test") }, dns.NotValidating, "answers for bogus.test",
		},
		"the bogus name is gone": {func(d *smtptest.DNS) { d.Fail("bogus.test", "A", smtptest.NXDomain) }, dns.Unproven, "tells nothing"},
		"silent":                 {func(d *smtptest.DNS) { d.Fail("signed.test", "SOA", smtptest.Unanswered) }, dns.Unproven, "timeout"},
		"silent about the bogus": {func(d *smtptest.DNS) { d.Fail("bogus.test", "A", smtptest.Unanswered) }, dns.Unproven, "timeout"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := validating(t)
			test.change(d)
			r := newResolver(t, dns.Config{Timeout: short}, d)
			got := r.Examine(t.Context(), touchstones)
			if got.Verdict != test.want || !strings.Contains(got.Detail, test.detail) {
				t.Errorf("got %s (%s), want %s with %q", got.Verdict, got.Detail, test.want, test.detail)
			}
		})
	}
}

// TestExamineByDefault: without the AD bit for the root a resolver does not
// validate.
func TestExamineByDefault(t *testing.T) {
	d := smtptest.NewDNS(t)
	r := newResolver(t, dns.Config{}, d)
	if got := r.Examine(t.Context(), dns.DefaultTouchstones()); got.Verdict != dns.NotValidating {
		t.Errorf("got %+v", got)
	}
	d.Secure(".")
	d.Fail("dnssec-failed.org", "A", smtptest.ServFail)
	if got := r.Examine(t.Context(), dns.DefaultTouchstones()); got.Verdict != dns.Validates {
		t.Errorf("got %+v", got)
	}
}

// TestExamineEachThatIsBelieved: any server may give the next answer, so that one
// which does not validate spoils all; one whose word does not count is not asked.
func TestExamineEachThatIsBelieved(t *testing.T) {
	good, careless := validating(t), smtptest.NewDNS(t)
	both := newResolver(t, dns.Config{}, good, careless)
	if got := both.Examine(t.Context(), touchstones); got.Verdict != dns.NotValidating || !strings.Contains(got.Detail, careless.Addr()) {
		t.Errorf("got %+v", got)
	}
	far := dns.Config{Servers: []string{remote}, Dial: dialTo(careless)}
	if got := newResolver(t, far).Examine(t.Context(), touchstones); got.Verdict != dns.NotValidating || !strings.Contains(got.Detail, "none can vouch") {
		t.Errorf("got %+v", got)
	}
	far.Trusted = []netip.Addr{netip.MustParseAddr("192.0.2.53")}
	far.Dial = dialTo(good)
	if got := newResolver(t, far).Examine(t.Context(), touchstones); got.Verdict != dns.Validates {
		t.Errorf("got %+v", got)
	}
	far = dns.Config{Servers: []string{good.Addr(), remote}, Dial: dialTo(careless)}
	if got := newResolver(t, far).Examine(t.Context(), touchstones); got.Verdict != dns.Validates {
		t.Errorf("got %+v of a resolver whose word does not count", got)
	}
}

// TestStandInIsNotChecked: what a resolver answers that vouches for nothing is
// marked, and forgotten soon, so that its silence on DNSSEC is no denial.
func TestStandInIsNotChecked(t *testing.T) {
	silent, standIn := smtptest.NewDNS(t), smtptest.NewDNS(t)
	silent.Fail("a.test", "CNAME", smtptest.Refused)
	standIn.AddCNAME("a.test", "b.test")
	standIn.Secure("a.test")
	clock := smtptest.NewClock()
	r := newResolver(t, dns.Config{
		Servers: []string{silent.Addr(), remote}, Dial: dialTo(standIn), Now: clock.Now,
	})
	for range 2 {
		got, err := r.LookupCNAME(t.Context(), "a.test")
		if err != nil || got.Checked || got.Class != dns.Insecure {
			t.Errorf("got %+v, %v", got, err)
		}
		clock.Advance(31 * time.Second) // of a TTL of 60
	}
	if n := standIn.CountQueries("a.test", "CNAME"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// TestLookupCNAME: the alias is not followed.
func TestLookupCNAME(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddCNAME("a.test", "b.test")
	d.AddA("b.test", "192.0.2.1")
	d.SecureType("CNAME", "a.test")
	r := newResolver(t, dns.Config{}, d)
	want := dns.Answer{Class: dns.Secure, Authenticated: true, Checked: true, Canonical: "a.test"}
	if got, err := r.LookupCNAME(t.Context(), "a.test"); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := r.LookupAddrs(t.Context(), "a.test"); err != nil || got.IPv4.Class != dns.Insecure || got.IPv4.Canonical != "b.test" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := r.LookupCNAME(t.Context(), "b.test"); err != nil || got.Class != dns.NoData {
		t.Errorf("got %+v, %v", got, err)
	}
}
