package outbound

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// resolverWithVerdict is a resolver of which it is known whether it validates.
type resolverWithVerdict struct {
	*dns.Resolver
	validates bool
}

func (r resolverWithVerdict) Validates() bool { return r.validates }

// daneRig is a rig whose names come from a DNS server of the test: example.com with
// the host mx.example.com, all of it signed.
type daneRig struct {
	*rig
	dns *smtptest.DNS
	id  smtptest.Identity // of the host
	mx  *smtptest.MX
}

const (
	exampleHost = "mx.example.com"
	exampleTLSA = "_25._tcp.mx.example.com"
)

// newDANERig makes a rig whose host shows a certificate that only TLSA records
// could vouch for.
func newDANERig(t *testing.T, leaf smtptest.Leaf, options smtptest.MXOptions, values ...config.Value) *daneRig {
	t.Helper()
	r := &daneRig{rig: newRig(t, values...), dns: smtptest.NewDNS(t), id: smtptest.SelfSigned(t, leaf)}
	options.Certificate = r.id.TLS
	r.mx = smtptest.NewMX(t, options)
	r.network.peers["192.0.2.1:25"] = r.mx.Addr()
	r.zone("example.com", exampleHost)
	r.dns.AddA(exampleHost, "192.0.2.1")
	r.dns.Secure(exampleHost, exampleTLSA)
	r.validate(true)
	return r
}

// zone gives a domain signed MX records.
func (r *daneRig) zone(domain, host string) {
	r.dns.AddMX(domain, 10, host)
	r.dns.Secure(domain)
}

// validate makes a resolver with an empty cache.
func (r *daneRig) validate(validates bool) {
	resolver := dns.New(dns.Config{Servers: []string{r.dns.Addr()}, Timeout: 200 * time.Millisecond})
	r.t.Cleanup(resolver.Close)
	r.Deliverer.Resolver, r.Deliverer.DANE = resolver, resolverWithVerdict{resolver, validates}
}

// publish adds a record of the host's key, or of another.
func (r *daneRig) publish(usage uint8, right bool) {
	sum := sha256.Sum256(r.id.Leaf.RawSubjectPublicKeyInfo)
	if !right {
		sum[0]++
	}
	r.dns.AddTLSA(exampleTLSA, usage, 1, 1, sum[:])
}

var anyName = smtptest.Leaf{Names: []string{"other.test"}, Validity: smtptest.Expired}

// mode is a destination control that says what to do about DANE.
func mode(t *testing.T, pattern string, m policy.DANEMode) policy.DestinationControl {
	t.Helper()
	c := control(t, pattern, policy.TLSPreferred)
	c.DANE = m
	return c
}

// TestDANE has what becomes of mail in each case of B63. Each is foretold by a live
// test (B71).
func TestDANE(t *testing.T) {
	const waits, unverified = "deferred policy 450 4.7.5", "deferred verify 450 4.7.5"
	plain := smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}
	tests := map[string]struct {
		options smtptest.MXOptions
		mode    policy.DANEMode
		change  func(r *daneRig)
		want    string
		says    string // in the text of the outcome, or in the verification
	}{
		"matches":                   {change: func(r *daneRig) { r.publish(3, true) }, want: delivered, says: "verified as mx.example.com by TLSA 3 1 1 "},
		"any match wins":            {change: func(r *daneRig) { r.publish(3, false); r.publish(3, true) }, want: delivered, says: "by TLSA 3 1 1"},
		"no match":                  {change: func(r *daneRig) { r.publish(3, false) }, want: unverified, says: "tlsa_mismatch"},
		"no match, no STARTTLS":     {options: plain, change: func(r *daneRig) { r.publish(3, true) }, want: "deferred starttls 450 4.7.4"},
		"unusable, any certificate": {change: func(r *daneRig) { r.publish(1, false) }, want: delivered, says: "self_signed"},
		"unusable, no STARTTLS":     {options: plain, change: func(r *daneRig) { r.publish(1, false) }, want: "deferred starttls 450 4.7.4"},
		"none":                      {options: plain, want: delivered},
		"bogus":                     {change: func(r *daneRig) { r.publish(3, true); r.dns.Fail(exampleTLSA, "TLSA", smtptest.ServFail) }, want: waits, says: "bogus"},
		"silent":                    {change: func(r *daneRig) { r.dns.Fail(exampleTLSA, "TLSA", smtptest.Unanswered) }, want: waits, says: "timeout"},
		"addresses bogus":           {change: func(r *daneRig) { r.dns.Fail(exampleHost, "A", smtptest.ServFail) }, want: "deferred names 451 4.4.3", says: "bogus"},
		"MX bogus":                  {change: func(r *daneRig) { r.dns.Fail("example.com", "MX", smtptest.ServFail) }, want: "deferred route 451 4.4.3", says: "bogus"},
		"not validating":            {change: func(r *daneRig) { r.publish(3, false); r.validate(false) }, want: delivered, says: "self_signed"},
		"off":                       {mode: policy.DANEOff, change: func(r *daneRig) { r.publish(3, false) }, want: delivered, says: "self_signed"},
		"off, bogus":                {mode: policy.DANEOff, change: func(r *daneRig) { r.dns.Fail(exampleTLSA, "TLSA", smtptest.ServFail) }, want: delivered},
		"mandatory":                 {mode: policy.DANEMandatory, change: func(r *daneRig) { r.publish(3, true) }, want: delivered},
		"mandatory, none":           {mode: policy.DANEMandatory, want: waits, says: "no usable TLSA record: the host has no TLSA records"},
		"mandatory, unusable":       {mode: policy.DANEMandatory, change: func(r *daneRig) { r.publish(1, true) }, want: waits},
		"mandatory, not validating": {mode: policy.DANEMandatory, change: func(r *daneRig) { r.publish(3, true); r.validate(false) }, want: waits},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newDANERig(t, anyName, test.options, mode(t, "example.com", test.mode))
			if test.change != nil {
				test.change(r)
			}
			v := r.ask(probe.Question{Domain: "example.com"})
			a := r.send("b@example.com")
			want(t, a, test.want)
			if connected := len(r.mx.Commands()) > 0; connected {
				agree(t, v, a)
			} else if o := a.Results[0].Outcome; v.Outcome == nil || !sameFate(*v.Outcome, o) {
				t.Errorf("the test foretold %v, the attempt came to %s", v.Outcome, o)
			}
			if said := a.Results[0].Outcome.Text + a.TLS.Verification; !strings.Contains(said, test.says) {
				t.Errorf("said %q", said)
			}
			conforms(t, r.mx)
		})
	}
}

// TestUnsignedMX: the TLSA records of a host bind whoever names it, yet do not
// answer for a domain whose MX records anybody can forge (RFC 7672 §2.2.1).
func TestUnsignedMX(t *testing.T) {
	for m, outcome := range map[policy.DANEMode]string{policy.DANEOpportunistic: delivered, policy.DANEMandatory: "deferred policy 450 4.7.5"} {
		r := newDANERig(t, anyName, smtptest.MXOptions{}, mode(t, "unsigned.test", m))
		r.publish(3, true)
		r.dns.AddMX("unsigned.test", 10, exampleHost)
		a := r.send("b@unsigned.test")
		want(t, a, outcome)
		if e := a.Hosts[0].Evidence; m == policy.DANEOpportunistic && (e.Published.SecureMX || !e.Published.UnsignedMX || e.Published.DANE != "usable") {
			t.Errorf("evidence %+v", e.Published)
		}
	}
	r := newDANERig(t, anyName, smtptest.MXOptions{})
	r.publish(3, false)
	r.dns.AddMX("unsigned.test", 10, exampleHost)
	want(t, r.send("b@unsigned.test"), "deferred verify 450 4.7.5")
}

// TestFailedHostIsPassedOver: one host whose records cannot be had leaves the mail
// to the next one; in mixed lists each host is as its own records say.
func TestFailedHostIsPassedOver(t *testing.T) {
	r := newDANERig(t, anyName, smtptest.MXOptions{})
	second := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	r.network.peers["192.0.2.2:25"] = second.Addr()
	r.dns.AddMX("example.com", 20, "plain.example.com")
	r.dns.AddA("plain.example.com", "192.0.2.2")
	r.dns.Fail(exampleTLSA, "TLSA", smtptest.ServFail)
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.Host != "plain.example.com" || a.TLS.Encrypted() {
		t.Errorf("delivered to %s, %+v", a.Host, a.TLS)
	}
	if hosts := fmt.Sprint(a.Hosts[0].Host, a.Hosts[0].Stage); hosts != exampleHost+"policy" {
		t.Errorf("first host: %s", hosts)
	}
	if n := len(r.mx.Commands()); n > 0 {
		t.Errorf("%d commands to a host that must wait", n)
	}
}

// TestBrokenDomainHarmsNoOther: what is wrong with the DNS of one domain is nothing
// to another whose mail goes to the same host.
func TestBrokenDomainHarmsNoOther(t *testing.T) {
	r := newDANERig(t, anyName, smtptest.MXOptions{})
	r.publish(3, true)
	for _, broken := range []struct {
		domain string
		how    smtptest.DNSFailure
	}{{"bogus.test", smtptest.ServFail}, {"silent.test", smtptest.Unanswered}, {"garbled.test", smtptest.Refused}} {
		r.zone(broken.domain, exampleHost)
		r.dns.Fail(broken.domain, "MX", broken.how)
		want(t, r.send("b@"+broken.domain), "deferred route 451 4.4.3")
		a := r.send("b@example.com")
		want(t, a, delivered)
		if !a.TLS.Verified {
			t.Errorf("beside %s: %+v", broken.domain, a.TLS)
		}
	}
}

// TestTANames: a certificate under an authority is for one of the reference names,
// those of the domain among them only where its MX records are signed (RFC 7672
// §3.2.2).
func TestTANames(t *testing.T) {
	const unverified = "deferred verify 450 4.7.5"
	for _, test := range []struct {
		name   string // in the certificate
		domain string // of the recipient
		want   string
	}{
		{exampleHost, "example.com", delivered},
		{"example.com", "example.com", delivered},
		{"other.test", "example.com", unverified},
		{exampleHost, "unsigned.test", delivered},
		{"unsigned.test", "unsigned.test", unverified},
		{"hosted.test", "alias.test", delivered}, // what the domain is an alias of
		{"alias.test", "alias.test", delivered},
		{"hosted.test", "loose.test", unverified}, // the same without a signature
	} {
		t.Run(test.name+" for "+test.domain, func(t *testing.T) {
			r := newDANERig(t, anyName, smtptest.MXOptions{})
			r.dns.AddMX("unsigned.test", 10, exampleHost)
			r.dns.AddMX("hosted.test", 10, exampleHost)
			r.dns.AddCNAME("alias.test", "hosted.test")
			r.dns.AddCNAME("loose.test", "hosted.test")
			r.dns.Secure("alias.test")
			id := r.ca.IssueFor(t, test.name)
			id.TLS.Certificate = append(id.TLS.Certificate, r.ca.Root().Raw)
			r.network.peers["192.0.2.1:25"] = smtptest.NewMX(t, smtptest.MXOptions{Certificate: id.TLS}).Addr()
			sum := sha256.Sum256(r.ca.Root().Raw)
			r.dns.AddTLSA(exampleTLSA, 2, 0, 1, sum[:])
			want(t, r.send("b@"+test.domain), test.want)
		})
	}
}

// TestAliasedHost: SNI is the name that the records are published for (RFC 7672
// §8.1).
func TestAliasedHost(t *testing.T) {
	r := newDANERig(t, anyName, smtptest.MXOptions{})
	r.zone("alias.test", "mail.alias.test")
	r.dns.AddCNAME("mail.alias.test", exampleHost)
	r.dns.Secure("mail.alias.test", "_25._tcp.mail.alias.test")
	r.publish(3, true)
	a := r.send("b@alias.test")
	want(t, a, delivered)
	if !strings.HasPrefix(a.TLS.Verification, "verified as mx.example.com by TLSA") || a.Host != "mail.alias.test" {
		t.Errorf("%s: %s", a.Host, a.TLS.Verification)
	}
	to := target{hop: hop{host: "mail.alias.test"}}
	if to.serverName() != "mail.alias.test" {
		t.Errorf("asks for %s", to.serverName())
	}
	if to.dane.Base = exampleHost; to.serverName() != exampleHost {
		t.Errorf("asks for %s", to.serverName())
	}
}

// TestConnectionsAreKeptByRecords: domains of one host share its connection while
// the records that were checked are the same, and only then (B29).
func TestConnectionsAreKeptByRecords(t *testing.T) {
	r := newDANERig(t, anyName, smtptest.MXOptions{}, mode(t, "careless.test", policy.DANEOff))
	r.publish(3, true)
	for _, domain := range []string{"second.test", "careless.test"} {
		r.zone(domain, exampleHost)
	}
	for _, step := range []struct {
		to     string
		reused bool
		change func()
	}{
		{"example.com", false, func() {}},
		{"second.test", true, func() {}},
		{"careless.test", false, func() {}},
		{"example.com", false, func() { r.publish(3, false); r.validate(true) }},
	} {
		step.change()
		a := r.send("b@" + step.to)
		want(t, a, delivered)
		if a.Reused != step.reused {
			t.Errorf("%s: reused %t", step.to, a.Reused)
		}
	}
}

// TestRoutesAreNotAsked: mail over a route of ours goes by no records (B31), unless
// DNS names the hosts.
func TestRoutesAreNotAsked(t *testing.T) {
	routed := route(t, "example.com", exampleHost)
	r := newDANERig(t, anyName, smtptest.MXOptions{}, routed)
	r.publish(3, false)
	want(t, r.send("b@example.com"), delivered)
	if n := r.dns.CountQueries(exampleTLSA, "TLSA"); n > 0 {
		t.Errorf("asked %d times", n)
	}
	routed.NextHops = []policy.NextHop{{UseDNS: true}}
	r.configure(routed)
	want(t, r.send("b@example.com"), "deferred verify 450 4.7.5")
}

// TestUnsignedHostIsNotAsked: a name server that fails at TLSA questions stops no
// mail for hosts without signatures (RFC 7672 §2.2.2).
func TestUnsignedHostIsNotAsked(t *testing.T) {
	r := newDANERig(t, anyName, smtptest.MXOptions{})
	r.dns.AddMX("unsigned.test", 10, "mx.unsigned.test")
	r.dns.AddA("mx.unsigned.test", "192.0.2.1")
	r.dns.Fail("_25._tcp.mx.unsigned.test", "TLSA", smtptest.ServFail)
	want(t, r.send("b@unsigned.test"), delivered)
	if n := r.dns.CountQueries("_25._tcp.mx.unsigned.test", "TLSA"); n > 0 {
		t.Errorf("asked %d times", n)
	}
}

// TestStandInResolver: an answer that nobody vouched for, while a resolver is
// believed that said nothing, is no word about DNSSEC; and where DANE is off it is
// as good as any.
func TestStandInResolver(t *testing.T) {
	r := newDANERig(t, anyName, smtptest.MXOptions{}, mode(t, "careless.test", policy.DANEOff))
	r.resolver.mx["example.com"] = dns.MXResult{Answer: dns.Answer{Class: dns.Insecure}, Hosts: []dns.MX{{Host: exampleHost}}}
	r.resolver.mx["careless.test"] = r.resolver.mx["example.com"]
	r.resolver.addrs[exampleHost] = dns.AddrResult{IPv4: dns.Family{Answer: dns.Answer{Class: dns.Insecure, Canonical: exampleHost}, Addrs: []netip.Addr{mustAddr("192.0.2.1")}}}
	r.Deliverer.Resolver = r.resolver
	a := r.send("b@example.com")
	want(t, a, "deferred policy 450 4.7.5")
	if o := a.Results[0].Outcome; !strings.Contains(o.Text, "no validating resolver answered for the MX records") {
		t.Error(o.Text)
	}
	want(t, r.send("b@careless.test"), delivered)
}

// TestDANEExplained: explain and live test show the records and what came of them
// (B71).
func TestDANEExplained(t *testing.T) {
	r := newDANERig(t, smtptest.Leaf{Names: []string{exampleHost}}, smtptest.MXOptions{})
	r.publish(3, true)
	r.dns.AddTLSA(exampleTLSA, 0, 0, 1, make([]byte, 32))
	v := r.ask(probe.Question{Domain: "example.com"})
	c := v.Candidates[0]
	sum := sha256.Sum256(r.id.Leaf.RawSubjectPublicKeyInfo)
	records := []string{fmt.Sprintf("3 1 1 %x", sum), "0 0 1 " + strings.Repeat("00", 32)}
	want := &probe.DANE{State: policy.DANEUsable, Base: exampleHost, Records: records, Usable: 1, SignedMX: true}
	if diff := cmp.Diff(want, c.DANE); diff != "" {
		t.Error(diff)
	}
	i := slices.IndexFunc(c.Checks, func(r probe.CheckResult) bool { return r.Check == policy.CheckDANE })
	if i < 0 || !c.Checks[i].Required || !c.Checks[i].Verified || !slices.Equal(c.Checks[i].Tried, records[:1]) {
		t.Errorf("checks %+v", c.Checks)
	}
	if e := r.Explain(t.Context(), "example.com"); e.Candidates[0].DANE == nil || !slices.Contains(e.Candidates[0].Decision.Checks, policy.CheckDANE) {
		t.Errorf("explained %+v", e.Candidates[0])
	}
}

// TestDANEEvidence: a match by TLSA records says nothing about the trust store
// (B72).
func TestDANEEvidence(t *testing.T) {
	r := newDANERig(t, smtptest.Leaf{Names: []string{exampleHost}}, smtptest.MXOptions{})
	r.publish(3, true)
	e := r.send("b@example.com").Hosts[0].Evidence
	published := &delivery.Published{DANE: "usable", SecureMX: true}
	if diff := cmp.Diff(published, e.Published); diff != "" || e.Trusted {
		t.Errorf("trusted %t, %s", e.Trusted, diff)
	}
	if !slices.Equal(e.Covers, []policy.Check{policy.CheckDANE}) || len(e.Untold) != 3 {
		t.Errorf("covers %v, untold %v", e.Covers, e.Untold)
	}
}
