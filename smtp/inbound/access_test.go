package inbound

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// partners is a table whose upper group is known by name, and all others are
// refused.
func partners(t *testing.T) setup {
	t.Helper()
	return setup{
		policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSOff), {Name: "REFUSE", Action: policy.ActionReject}},
		access: []policy.SenderGroup{
			{Name: "PARTNERS", Policy: "FLOW", Senders: senders(t, ".partner.example")},
			{Name: policy.AllGroup, Policy: "REFUSE"},
		},
	}
}

// resolverOf is the product's resolver on a DNS server of the test.
func resolverOf(t *testing.T, d *smtptest.DNS) *dns.Resolver {
	t.Helper()
	r := dns.New(dns.Config{Servers: []string{d.Addr()}})
	t.Cleanup(r.Close)
	return r
}

// The name counts where it leads back to the address, and nowhere else (B13).
func TestNamesAreConfirmedForward(t *testing.T) {
	const reverse = "1.0.0.127.in-addr.arpa"
	for name, tc := range map[string]struct {
		setup func(*smtptest.DNS)
		code  int
	}{
		"confirmed": {func(d *smtptest.DNS) {
			d.AddPTR("127.0.0.1", "mx.partner.example")
			d.AddA("mx.partner.example", "127.0.0.1")
		}, 220},
		"claimed only": {func(d *smtptest.DNS) {
			d.AddPTR("127.0.0.1", "mx.partner.example")
			d.AddA("mx.partner.example", "192.0.2.1")
		}, 554},
		// The group above asks for less than the one below: nothing is escaped.
		"SERVFAIL": {func(d *smtptest.DNS) { d.Fail(reverse, "PTR", smtptest.ServFail) }, 554},
		"none":     {func(*smtptest.DNS) {}, 554},
	} {
		t.Run(name, func(t *testing.T) {
			d := smtptest.NewDNS(t)
			tc.setup(d)
			s := partners(t)
			s.resolver = resolverOf(t, d)
			g := newGateway(t, s)
			c := smtptest.Dial(t, g.addr())
			c.Expect(tc.code)
		})
	}
}

// The answer is kept: a client that connects again costs no look-up.
func TestNamesAreCached(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddPTR("127.0.0.1", "mx.partner.example")
	d.AddA("mx.partner.example", "127.0.0.1")
	s := partners(t)
	s.resolver = resolverOf(t, d)
	g := newGateway(t, s)
	for range 3 {
		open(t, g).Quit()
	}
	if n := d.CountQueries("1.0.0.127.in-addr.arpa", "PTR"); n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

// stuck is a resolver that answers nothing in any time.
type stuck struct{}

func (stuck) ConfirmedNames(ctx context.Context, _ netip.Addr) ([]mailaddr.DomainName, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A look-up that takes too long leaves the client without a name: it falls to
// the groups below where those above ask no more, and is not kept waiting longer
// (B13).
func TestSlowNamesFallToTheGroupBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := partners(t)
		s.resolver = stuck{}
		g := newGatewayWithoutSocket(t, s)
		h := g.current.Load()
		ours, theirs := net.Pipe()
		began := time.Now()
		go h.Handle(theirs)
		greeting := make([]byte, 100)
		n, err := ours.Read(greeting)
		if err != nil || !strings.HasPrefix(string(greeting[:n]), "554 5.7.1 ") {
			t.Errorf("%q, %v", greeting[:n], err)
		}
		if lasted := time.Since(began); lasted != nameTimeout {
			t.Errorf("the look-up took %s", lasted)
		}
		_ = ours.Close()
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A listener has the suites of its profile and no others (B11).
func TestListenerHasItsCipherProfile(t *testing.T) {
	for profile, want := range map[policy.CipherProfile]bool{policy.CipherDefault: true, policy.CipherModern: false} {
		s := preferred()
		s.listener.CipherProfile = profile
		c := open(t, newGateway(t, s))
		c.Cmd(220, "STARTTLS")
		_, err := c.TryHandshake(&tls.Config{
			InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
		})
		if (err == nil) != want {
			t.Errorf("%s: CBC with SHA-1: %v", profile, err)
		}
	}
}
