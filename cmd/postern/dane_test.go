package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// shownResolver is what the status says of the resolvers.
type shownResolver struct {
	Resolver struct {
		Validation, Detail string
		DANE               bool
	}
}

// validation waits for the status to say so of the resolvers.
func (g *gateway) validation(verdict string) (found shownResolver) {
	g.t.Helper()
	smtptest.Eventually(g.t, func() bool {
		found = decode[shownResolver](g.t, g.must("GET", "/status", ""))
		return found.Resolver.Validation == verdict
	}, "the resolver is "+verdict)
	return found
}

// A resolver that does not validate switches DANE off, visibly; one that does
// switches it on: then TLSA records decide, in the live test, too.
func TestResolverDecidesAboutDANE(t *testing.T) { // B63
	careless, good := smtptest.NewDNS(t), smtptest.NewDNS(t)
	good.Secure("signed.test", "example.com", "mx.example.com", "_25._tcp.mx.example.com")
	good.Fail("bogus.test", "A", smtptest.ServFail)
	sum := sha256.Sum256([]byte("a key that nobody has"))
	for _, d := range []*smtptest.DNS{careless, good} {
		d.AddMX("example.com", 10, "mx.example.com")
		d.AddA("mx.example.com", "192.0.2.1")
		d.AddTLSA("_25._tcp.mx.example.com", 3, 1, 1, sum[:])
	}
	g := newGateway(t, t.TempDir())
	ask := func(d *smtptest.DNS) {
		g.must("PUT", "/settings/dns?wait=5s", fmt.Sprintf(`{"servers":[%q],"trusted":[],"signed_name":"signed.test","bogus_name":"bogus.test"}`, d.Addr()))
	}
	explain := func() string { return string(g.must("GET", "/tls/explain?domain=example.com", "").body) }

	ask(careless)
	found := g.validation("not validating")
	if found.Resolver.DANE || !strings.Contains(found.Resolver.Detail, "does not vouch for the signed name signed.test") {
		t.Errorf("status %+v", found)
	}
	g.alert("resolver_not_validating", isState("open"), "the alert is open")
	if e := explain(); strings.Contains(e, `"dane":{`) {
		t.Errorf("TLSA records are looked at: %s", e)
	}

	ask(good)
	if found := g.validation("validating"); !found.Resolver.DANE {
		t.Errorf("status %+v", found)
	}
	g.alert("resolver_not_validating", isState("resolved"), "the alert is resolved")
	if e := explain(); !strings.Contains(e, `"state":"usable","base":"mx.example.com","records":["3 1 1 `) || !strings.Contains(e, `"checks":["dane"]`) {
		t.Errorf("explained %s", e)
	}
	if m := g.metrics(); !strings.Contains(m, "postern_dns_validating_status 1") {
		t.Error("the metric does not say so")
	}
}

// What could not be found out changes nothing that was known: who can drop answers
// must not switch DANE off, nor on.
func TestUnprovenKeepsWhatWasKnown(t *testing.T) { // B63
	here := func() *servers { return &servers{Resolver: dns.New(dns.Config{Servers: []string{"127.0.0.1:53"}})} }
	unproven := dns.Finding{Verdict: dns.Unproven, Detail: "timeout"}
	for _, known := range []dns.Verdict{dns.Validates, dns.NotValidating} {
		s := here()
		if !s.note(dns.Finding{Verdict: known}) || s.note(unproven) {
			t.Error("only the second look found nothing")
		}
		if got := s.verdict(); got.Verdict != known || got.Detail != "timeout" {
			t.Errorf("known %s, then %+v", known, got.Finding)
		}
	}
	s := here()
	if s.verdict().Verdict != dns.Unproven || s.note(unproven) || s.verdict().Verdict != dns.Unproven {
		t.Errorf("at the start: %+v", s.verdict().Finding)
	}
	far := &servers{Resolver: dns.New(dns.Config{Servers: []string{"192.0.2.53:53"}})}
	if far.verdict().Verdict != dns.NotValidating {
		t.Errorf("without a resolver that is believed: %+v", far.verdict().Finding)
	}
}
