package dns_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/domain/mailaddr"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newResolver asks the servers in turn.
func newResolver(t *testing.T, config dns.Config, servers ...*smtptest.DNS) *dns.Resolver {
	t.Helper()
	for _, s := range servers {
		config.Servers = append(config.Servers, s.Addr())
	}
	r := dns.New(config)
	t.Cleanup(r.Close)
	return r
}

// short is a time limit for tries that are meant to run out.
const short = 100 * time.Millisecond

// remote gives servers an address off this machine, so that they are not trusted
// by being on the loopback.
const remote = "192.0.2.53:53"

// dialTo connects to the server whatever address is asked for.
func dialTo(s *smtptest.DNS) func(context.Context, string, string) (net.Conn, error) {
	return dialMap(map[string]string{remote: s.Addr()})
}

func dialMap(addresses map[string]string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if to, ok := addresses[address]; ok {
			address = to
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func TestLookupMX(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddMX("plain.test", 20, "MX2.plain.test")
	d.AddMX("plain.test", 10, "mx1.plain.test")
	d.AddMX("plain.test", 20, "mx3.plain.test")
	d.AddMX("null.test", 0, ".")
	d.AddMX("mixed.test", 0, ".")
	d.AddMX("mixed.test", 10, "mx.mixed.test")
	d.AddMX("literal.test", 10, "192.0.2.1")
	d.AddMX("odd.test", 10, `a\.b.test`)
	d.AddMX("odd.test", 20, "mx.odd.test")
	d.AddCNAME("alias.test", "plain.test")
	d.AddA("hostonly.test", "192.0.2.1")
	d.AddMX("secure.test", 10, "mx.secure.test")
	d.Secure("secure.test", "denied.test")

	host := func(preference uint16, name string) dns.MX {
		return dns.MX{Preference: preference, Host: mailaddr.DomainName(name)}
	}
	plain := []dns.MX{host(10, "mx1.plain.test"), host(20, "mx2.plain.test"), host(20, "mx3.plain.test")}
	insecure := func(name string) dns.Answer {
		return dns.Answer{Class: dns.Insecure, Checked: true, Canonical: mailaddr.DomainName(name)}
	}
	tests := []struct {
		name string
		want dns.MXResult
	}{
		{"plain.test", dns.MXResult{Answer: insecure("plain.test"), Hosts: plain}},
		{"alias.test", dns.MXResult{Answer: insecure("plain.test"), Hosts: plain}},
		{"null.test", dns.MXResult{Answer: insecure("null.test"), Null: true}},
		{"mixed.test", dns.MXResult{Answer: insecure("mixed.test"), Hosts: []dns.MX{host(10, "mx.mixed.test")}, Dropped: []string{"."}}},
		{"literal.test", dns.MXResult{Answer: insecure("literal.test"), Dropped: []string{"192.0.2.1."}}},
		{"odd.test", dns.MXResult{Answer: insecure("odd.test"), Hosts: []dns.MX{host(20, "mx.odd.test")}, Dropped: []string{`a\.b.test.`}}},
		{"hostonly.test", dns.MXResult{Answer: dns.Answer{Class: dns.NoData, Checked: true, Canonical: "hostonly.test"}}},
		{"none.test", dns.MXResult{Answer: dns.Answer{Class: dns.NoName, Checked: true, Canonical: "none.test"}}},
		{"denied.test", dns.MXResult{Answer: dns.Answer{Class: dns.NoName, Authenticated: true, Checked: true, Canonical: "denied.test"}}},
		{"secure.test", dns.MXResult{
			Answer: dns.Answer{Class: dns.Secure, Authenticated: true, Checked: true, Canonical: "secure.test"},
			Hosts:  []dns.MX{host(10, "mx.secure.test")},
		}},
	}
	r := newResolver(t, dns.Config{}, d)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := r.LookupMX(t.Context(), mailaddr.DomainName(test.name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFailuresAreNoDenials: implicit MX, "no DANE" and the like hang on it.
func TestFailuresAreNoDenials(t *testing.T) {
	tests := []struct {
		name string
		how  smtptest.DNSFailure
		want dns.Class
	}{
		{"SERVFAIL", smtptest.ServFail, dns.Bogus},
		{"REFUSED", smtptest.Refused, dns.Failed},
		{"no answer", smtptest.Unanswered, dns.Timeout},
		{"garbage", smtptest.Garbled, dns.Timeout},
		{"truncated and no TCP", smtptest.TruncateAll, dns.Failed},
		{"referral", smtptest.Referral, dns.Failed},
		{"alias loop", smtptest.AliasForever, dns.Failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := smtptest.NewDNS(t)
			d.Fail("a.test", "MX", test.how)
			d.Secure("a.test")
			_, err := newResolver(t, dns.Config{Timeout: short}, d).LookupMX(t.Context(), "a.test")
			var failure *dns.Error
			if !errors.As(err, &failure) {
				t.Fatalf("error %v, want a dns.Error", err)
			}
			if failure.Class != test.want || failure.Name != "a.test" || failure.Type != "MX" || !failure.Temporary() {
				t.Errorf("error %v, want class %v", err, test.want)
			}
			if dns.ClassOf(err) != test.want {
				t.Errorf("class %v", dns.ClassOf(err))
			}
		})
	}
}

func TestSpoofedAnswersArePassedOver(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddMX("a.test", 10, "mx.a.test")
	d.Fail("a.test", "MX", smtptest.Spoofed)
	got, err := newResolver(t, dns.Config{}, d).LookupMX(t.Context(), "a.test")
	if err != nil || len(got.Hosts) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTruncatedAnswersComeOverTCP(t *testing.T) {
	d := smtptest.NewDNS(t)
	for range 200 {
		d.AddMX("many.test", 10, "a-rather-long-name-for-a-mail-exchanger.many.test")
	}
	got, err := newResolver(t, dns.Config{}, d).LookupMX(t.Context(), "many.test")
	if err != nil || len(got.Hosts) != 200 {
		t.Errorf("got %d hosts, %v, want 200", len(got.Hosts), err)
	}
}

func TestServersInTurn(t *testing.T) {
	for name, how := range map[string]smtptest.DNSFailure{
		"timeout": smtptest.Unanswered, "SERVFAIL": smtptest.ServFail, "REFUSED": smtptest.Refused,
	} {
		t.Run(name, func(t *testing.T) {
			first, second := smtptest.NewDNS(t), smtptest.NewDNS(t)
			first.Fail("a.test", "MX", how)
			second.AddMX("a.test", 10, "mx.a.test")
			got, err := newResolver(t, dns.Config{Timeout: short}, first, second).LookupMX(t.Context(), "a.test")
			if err != nil || len(got.Hosts) != 1 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestTries(t *testing.T) {
	tests := []struct {
		how  smtptest.DNSFailure
		want int
	}{
		{smtptest.Unanswered, 2},
		{smtptest.Refused, 2},
		{smtptest.ServFail, 1}, // asking again cannot help
	}
	for _, test := range tests {
		d := smtptest.NewDNS(t)
		d.Fail("a.test", "MX", test.how)
		_, _ = newResolver(t, dns.Config{Timeout: short}, d).LookupMX(t.Context(), "a.test")
		if n := d.CountQueries("a.test", "MX"); n != test.want {
			t.Errorf("failure %d: asked %d times, want %d", test.how, n, test.want)
		}
	}
}

// TestNoDowngradeAfterBogus: what a validating server refuses must not be had
// from one that does not validate.
func TestNoDowngradeAfterBogus(t *testing.T) {
	validating, other := smtptest.NewDNS(t), smtptest.NewDNS(t)
	validating.Fail("a.test", "MX", smtptest.ServFail)
	other.AddMX("a.test", 10, "mx.evil.test")
	r := newResolver(t, dns.Config{
		Servers: []string{validating.Addr(), remote},
		Dial:    dialTo(other),
	})
	_, err := r.LookupMX(t.Context(), "a.test")
	if dns.ClassOf(err) != dns.Bogus {
		t.Errorf("error %v, want class bogus", err)
	}
	if n := len(other.Queries()); n != 0 {
		t.Errorf("the server that does not validate was asked %d times", n)
	}
}

// TestTrust is B63: the AD bit counts from the loopback or by explicit trust.
func TestTrust(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddTXT("a.test", "x")
	d.Secure("a.test")
	trusted := []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.53")}
	tests := []struct {
		name   string
		config dns.Config
		want   dns.Class
	}{
		{"loopback", dns.Config{Servers: []string{d.Addr()}}, dns.Secure},
		{"remote", dns.Config{Servers: []string{remote}}, dns.Insecure},
		{"remote by name", dns.Config{Servers: []string{"localhost:53"}}, dns.Insecure},
		{"trusted", dns.Config{Servers: []string{remote}, Trusted: trusted}, dns.Secure},
		{"other trusted", dns.Config{Servers: []string{remote}, Trusted: []netip.Addr{netip.MustParseAddr("192.0.2.54")}}, dns.Insecure},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.config.Dial = dialMap(map[string]string{remote: d.Addr(), "localhost:53": d.Addr()})
			r := newResolver(t, test.config)
			got, err := r.LookupTXT(t.Context(), "a.test")
			if err != nil || got.Class != test.want || got.Authenticated != (test.want == dns.Secure) {
				t.Errorf("got %+v, %v, want class %v", got, err, test.want)
			}
			if r.Validating() != (test.want == dns.Secure) {
				t.Errorf("validating: %t", r.Validating())
			}
		})
	}
}

func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddTXT("a.test", "x")
	release := make(chan struct{})
	r := newResolver(t, dns.Config{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		<-release
		return new(net.Dialer).DialContext(ctx, network, address)
	}}, d)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := r.LookupTXT(t.Context(), "a.test"); err != nil || len(got.Texts) != 1 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := d.CountQueries("a.test", "TXT"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestCallerGivesUpOthersWait(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddTXT("a.test", "x")
	dialing, release := make(chan struct{}, 1), make(chan struct{})
	r := newResolver(t, dns.Config{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialing <- struct{}{}
		<-release
		return new(net.Dialer).DialContext(ctx, network, address)
	}}, d)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := r.LookupTXT(ctx, "a.test")
		if !errors.Is(err, context.Canceled) || dns.ClassOf(err) != dns.Timeout {
			t.Errorf("error %v, want the caller's", err)
		}
	})
	<-dialing
	wg.Go(func() {
		if got, err := r.LookupTXT(t.Context(), "a.test"); err != nil || len(got.Texts) != 1 {
			t.Errorf("the other caller got %+v, %v", got, err)
		}
	})
	cancel()
	close(release)
	wg.Wait()
}

func TestCloseEndsLookups(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.Fail("a.test", "TXT", smtptest.Unanswered)
	r := newResolver(t, dns.Config{Timeout: time.Hour}, d)
	ended := make(chan error)
	go func() {
		_, err := r.LookupTXT(context.Background(), "a.test")
		ended <- err
	}()
	smtptest.Eventually(t, func() bool { return len(d.Queries()) == 1 })
	r.Close()
	if err := <-ended; dns.ClassOf(err) == dns.Bogus || err == nil {
		t.Errorf("error %v", err)
	}
}

func TestNoNameIsNotAsked(t *testing.T) {
	d := smtptest.NewDNS(t)
	if _, err := newResolver(t, dns.Config{}, d).LookupMX(t.Context(), ""); dns.ClassOf(err) != dns.Failed || err == nil {
		t.Errorf("error %v", err)
	}
	if n := len(d.Queries()); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("127.0.0.1:53 answers SERVFAIL")
	err := &dns.Error{Class: dns.Bogus, Name: "a.test", Type: "MX", Err: cause}
	if got, want := err.Error(), "look up MX of a.test: bogus: 127.0.0.1:53 answers SERVFAIL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if got := dns.ClassOf(errors.New("other")); got != dns.Failed {
		t.Errorf("class %v of a foreign error", got)
	}
	var names []string
	for class := range dns.Class(8) {
		names = append(names, class.String())
	}
	want := "failed, insecure, secure, no data, no name, bogus, timeout, class 7"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("classes %q", got)
	}
}
