package dns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/domain/mailaddr"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// TestCacheTimes asks once, then just before and at the end of the time that the
// answer holds.
func TestCacheTimes(t *testing.T) {
	tests := []struct {
		name  string
		ttl   uint32
		setup func(d *smtptest.DNS)
		want  time.Duration
	}{
		{"TTL", 60, func(d *smtptest.DNS) { d.AddTXT("a.test", "x") }, time.Minute},
		{"long TTL", 86400, func(d *smtptest.DNS) { d.AddTXT("a.test", "x") }, time.Hour},
		{"alias with less", 60, func(d *smtptest.DNS) {
			d.AddCNAME("a.test", "b.test")
			d.SetTTL(3600)
			d.AddTXT("b.test", "x")
		}, time.Minute},
		{"denial", 60, func(*smtptest.DNS) {}, time.Minute},
		{"long denial", 86400, func(*smtptest.DNS) {}, 15 * time.Minute},
		{"SERVFAIL", 86400, func(d *smtptest.DNS) { d.Fail("a.test", "TXT", smtptest.ServFail) }, 30 * time.Second},
		{"denial without SOA", 86400, func(d *smtptest.DNS) { d.Fail("a.test", "TXT", smtptest.NXDomainBare) }, 30 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, clock := smtptest.NewDNS(t), smtptest.NewClock()
			d.SetTTL(test.ttl)
			test.setup(d)
			r := newResolver(t, dns.Config{Now: clock.Now}, d)
			asked := func() int {
				_, _ = r.LookupTXT(t.Context(), "a.test")
				return d.CountQueries("a.test", "TXT")
			}
			if n := asked(); n != 1 {
				t.Fatalf("asked %d times at first", n)
			}
			clock.Advance(test.want - time.Nanosecond)
			if n := asked(); n != 1 {
				t.Errorf("asked %d times before %v", n, test.want)
			}
			clock.Advance(time.Nanosecond)
			if n := asked(); n != 2 {
				t.Errorf("asked %d times after %v", n, test.want)
			}
		})
	}
}

func TestZeroTTLIsNotKept(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.SetTTL(0)
	d.AddTXT("a.test", "x")
	r := newResolver(t, dns.Config{}, d)
	for range 2 {
		if _, err := r.LookupTXT(t.Context(), "a.test"); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.CountQueries("a.test", "TXT"); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	d := smtptest.NewDNS(t)
	r := newResolver(t, dns.Config{CacheEntries: 4}, d)
	look := func(name string) {
		if _, err := r.LookupTXT(t.Context(), mailaddr.DomainName(name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		look("used.test")
		look(fmt.Sprintf("once%d.test", i))
	}
	look("once0.test")
	if n := d.CountQueries("used.test", "TXT"); n != 1 {
		t.Errorf("what was used all the time was asked %d times", n)
	}
	if n := d.CountQueries("once0.test", "TXT"); n != 2 {
		t.Errorf("what was used once was asked %d times, want 2", n)
	}
}

// TestCacheIsBoundedInOctets: the owners of names decide how long answers are.
func TestCacheIsBoundedInOctets(t *testing.T) {
	d := smtptest.NewDNS(t)
	big := strings.Repeat("x", 200)
	for i := range 10 {
		for j := range 60 { // more than 12 KiB each
			d.AddTXT(fmt.Sprintf("big%d.test", i), big, fmt.Sprint(j))
		}
	}
	for j := range 90 { // more than 18 KiB
		d.AddTXT("huge.test", big, fmt.Sprint(j))
	}
	r := newResolver(t, dns.Config{CacheEntries: 64}, d)
	asked := func(name string) int {
		if _, err := r.LookupTXT(t.Context(), mailaddr.DomainName(name)); err != nil {
			t.Fatal(err)
		}
		return d.CountQueries(name, "TXT") / 2 // over UDP and TCP
	}
	for i := range 10 {
		asked(fmt.Sprintf("big%d.test", i))
	}
	if n := asked("big9.test"); n != 1 {
		t.Errorf("the last answer was asked %d times, want 1", n)
	}
	if n := asked("big0.test"); n != 2 {
		t.Errorf("the first answer was asked %d times, want 2: 64 KiB are full", n)
	}
	asked("huge.test")
	if n := asked("huge.test"); n != 2 {
		t.Errorf("a huge answer was asked %d times, want 2: it is not kept", n)
	}
}
