package publish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
	"postern/domain/publication"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// outside is what strangers see of example.com.
type outside struct {
	mx    dns.MXResult
	txt   map[mailaddr.DomainName][]string
	addrs []netip.Addr
	tlsa  dns.TLSAResult
	fail  error             // of every look-up
	text  string            // of the policy
	hosts map[string]string // what is wrong with a host
}

func (o *outside) LookupMX(context.Context, mailaddr.DomainName) (dns.MXResult, error) {
	return o.mx, o.fail
}

func (o *outside) LookupTXT(_ context.Context, name mailaddr.DomainName) (dns.TXTResult, error) {
	return dns.TXTResult{Texts: o.txt[name]}, o.fail
}

func (o *outside) LookupAddrs(context.Context, mailaddr.DomainName) (dns.AddrResult, error) {
	return dns.AddrResult{IPv4: dns.Family{Addrs: o.addrs}}, o.fail
}

func (o *outside) LookupTLSA(context.Context, uint16, mailaddr.DomainName) (dns.TLSAResult, error) {
	return o.tlsa, o.fail
}

func (o *outside) ProveHost(_ context.Context, host mailaddr.DomainName) error {
	if fault := o.hosts[host.String()]; fault != "" {
		return errors.New(fault)
	}
	return nil
}

func (o *outside) Fetch(context.Context, mailaddr.DomainName) (string, mtasts.Policy, error) {
	if o.text == "" {
		return "", mtasts.Policy{}, errors.New("404")
	}
	p, err := mtasts.ParsePolicy(o.text)
	return o.text, p, err
}

var hosting = mtasts.Hosting{Domain: "example.com", Mode: mtasts.ModeTesting, MX: []mtasts.MXPattern{"mail.example.com"}, MaxAgeSeconds: 604800}

// shown is a certificate of the gateway, for mail and web.
func shown(t *testing.T, names ...string) certificate.Certificate {
	t.Helper()
	id := smtptest.SelfSigned(t, smtptest.Leaf{Names: names})
	return certificate.Certificate{Names: names, Chain: id.TLS.Certificate}
}

func newPublisher(t *testing.T, o *outside, served certificate.Certificate) *Publisher {
	t.Helper()
	s, _ := configtest.Seeded(t)
	configtest.Commit(t, s,
		config.Edit{Kind: config.KindDomain, Key: "example.com", Value: policy.HostedDomain{Name: "example.com"}},
		config.Edit{Kind: config.KindMTASTSPolicy, Key: "example.com", Value: hosting},
	)
	return New(Dependencies{
		Snapshot: s.Snapshot, Resolver: o, Prover: o, Source: o,
		Served: func(string, string) (certificate.Certificate, bool) { return served, true },
	})
}

// states are the states of the checks by their purpose.
func states(t *testing.T, p *Publisher) map[publication.Purpose]publication.Check {
	t.Helper()
	checks, err := p.Check(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	found := map[publication.Purpose]publication.Check{}
	for _, c := range checks {
		if (c.State == publication.StateGood) == (c.Detail != "") {
			t.Errorf("%s is %s: %q", c.Purpose, c.State, c.Detail)
		}
		found[c.Purpose] = c
	}
	return found
}

// TestCheck is B61: what is published is compared with what should be.
func TestCheck(t *testing.T) {
	served := shown(t, "mail.example.com", "mta-sts.example.com")
	record, err := served.TLSA()
	if err != nil {
		t.Fatal(err)
	}
	good := func() *outside {
		return &outside{
			mx: dns.MXResult{Hosts: []dns.MX{{Preference: 5, Host: "other.example.net"}, {Preference: 20, Host: "mail.example.com"}}},
			txt: map[mailaddr.DomainName][]string{
				"_mta-sts.example.com": {"unrelated", "v=STSv1; id=" + hosting.ID() + ";"}, "_smtp._tls.example.com": {"v=TLSRPTv1;rua=mailto:x@example.net"},
			},
			addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, text: hosting.Policy().String(),
			tlsa: dns.TLSAResult{Answer: dns.Answer{Authenticated: true}, Records: []dns.TLSA{
				{Usage: 3, Selector: 1, MatchingType: 1, Data: []byte{1}}, {Usage: record.Usage, Selector: record.Selector, MatchingType: record.MatchingType, Data: record.Data},
			}},
		}
	}
	all := []publication.Purpose{
		publication.PurposeMX, publication.PurposeMTASTSHost, publication.PurposePolicy, publication.PurposeMTASTS,
		publication.PurposeTLSRPT, publication.PurposeTLSA,
	}
	for purpose, c := range states(t, newPublisher(t, good(), served)) {
		if c.State != publication.StateGood {
			t.Errorf("%s is %s: %s", purpose, c.State, c.Detail)
		}
	}
	nothing := states(t, newPublisher(t, new(outside), served))
	down := states(t, newPublisher(t, &outside{fail: errors.New("SERVFAIL")}, served))
	for _, purpose := range all {
		if got := nothing[purpose].State; got != publication.StateMissing {
			t.Errorf("%s: with nothing published it is %q", purpose, got)
		}
		if got := down[purpose].State; got != publication.StateUnknown && purpose != publication.PurposePolicy {
			t.Errorf("%s: without an answer it is %q", purpose, got)
		}
	}
	for name, tt := range map[string]struct {
		purpose publication.Purpose
		spoil   func(*outside)
		detail  string
	}{
		"other hosts":    {publication.PurposeMX, func(o *outside) { o.mx.Hosts = o.mx.Hosts[:1] }, "another value"},
		"former id":      {publication.PurposeMTASTS, func(o *outside) { o.txt["_mta-sts.example.com"] = []string{"v=STSv1; id=1"} }, "another value"},
		"two records":    {publication.PurposeMTASTS, func(o *outside) { o.txt["_mta-sts.example.com"] = []string{"v=STSv1; id=1", "v=STSv1; id=2"} }, "more than one"},
		"former policy":  {publication.PurposePolicy, func(o *outside) { o.text = strings.Replace(o.text, "testing", "enforce", 1) }, "another policy"},
		"other key":      {publication.PurposeTLSA, func(o *outside) { o.tlsa.Records = o.tlsa.Records[:1] }, "another value"},
		"unsigned zone":  {publication.PurposeTLSA, func(o *outside) { o.tlsa.Authenticated = false }, "not signed"},
		"two for report": {publication.PurposeTLSRPT, func(o *outside) { o.txt["_smtp._tls.example.com"] = []string{"v=TLSRPTv1", "v=TLSRPTv1"} }, "more than one"},
	} {
		o := good()
		tt.spoil(o)
		if c := states(t, newPublisher(t, o, served))[tt.purpose]; c.State != publication.StateDiffers || !strings.Contains(c.Detail, tt.detail) {
			t.Errorf("%s: %s %q", name, c.State, c.Detail)
		}
	}
	uncovered := states(t, newPublisher(t, good(), shown(t, "mail.example.com")))
	if c := uncovered[publication.PurposeMTASTSHost]; c.State != publication.StateDiffers || !strings.Contains(c.Detail, "no certificate") {
		t.Errorf("without a certificate for the name: %s %q", c.State, c.Detail)
	}
}

// TestRecordsInOrder is RFC 8461 §8.3: the id comes after what it names.
func TestRecordsInOrder(t *testing.T) {
	p := newPublisher(t, new(outside), shown(t, "mail.example.com"))
	records, err := p.Records("example.com")
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range records {
		order = append(order, string(r.Purpose))
	}
	if got := strings.Join(order, " "); got != "mx mta_sts_host mta_sts tls_rpt tlsa" {
		t.Errorf("got %s", got)
	}
	for _, ask := range []func() error{
		func() error { _, err := p.Records("example.org"); return err },
		func() error { _, err := p.Check(t.Context(), "example.org"); return err },
		func() error { _, err := p.Proof(t.Context(), "example.org"); return err },
	} {
		if err := ask(); domain.KindOf(err) != domain.NotFound {
			t.Errorf("of what is not hosted: %v", err)
		}
	}
}

// TestMailHosts is B61: what keeps mode enforce from being published.
func TestMailHosts(t *testing.T) {
	o := &outside{
		mx:    dns.MXResult{Hosts: []dns.MX{{Host: "a.mx.example.com"}, {Host: "b.example.net"}}},
		hosts: map[string]string{"named.example.com": "named.example.com: no STARTTLS"},
	}
	p := newPublisher(t, o, shown(t, "mail.example.com"))
	h := hosting
	h.MX = []mtasts.MXPattern{"*.mx.example.com", "named.example.com"}
	faults := p.CheckMailHosts(t.Context(), h)
	if len(faults) != 2 || !strings.Contains(faults[0].Message, "b.example.net is not listed") || !strings.Contains(faults[1].Message, "no STARTTLS") {
		t.Errorf("got %v", faults)
	}
	h.MX = []mtasts.MXPattern{"*.mx.example.com", "b.example.net"}
	if faults := p.CheckMailHosts(t.Context(), h); len(faults) != 0 {
		t.Errorf("good hosts: %v", faults)
	}
	o.mx.Hosts = nil
	h.MX = []mtasts.MXPattern{"*.mx.example.com"}
	if faults := p.CheckMailHosts(t.Context(), h); len(faults) != 1 || !strings.Contains(faults[0].Message, "no host to verify") {
		t.Errorf("without a host: %v", faults)
	}
	for i := range maxHosts + 1 {
		o.mx.Hosts = append(o.mx.Hosts, dns.MX{Host: mailaddr.DomainName(fmt.Sprintf("h%d.mx.example.com", i))})
	}
	if faults := p.CheckMailHosts(t.Context(), h); len(faults) != 1 || !strings.Contains(faults[0].Message, "h10.mx.example.com: not tested") {
		t.Errorf("too many hosts: %v", faults)
	}
	o.fail = errors.New("SERVFAIL")
	if faults := p.CheckMailHosts(t.Context(), h); len(faults) != 1 || !strings.Contains(faults[0].Message, "cannot be looked up") {
		t.Errorf("without DNS: %v", faults)
	}
}

// TestPolicyHost is B61: a policy that nobody can fetch is warned of.
func TestPolicyHost(t *testing.T) {
	s, _ := configtest.Seeded(t)
	next := *s.Snapshot()
	covered := newPublisher(t, new(outside), shown(t, "*.example.com"))
	warns := func(p *Publisher) string {
		warnings := p.CheckPolicyHost(&next, "example.com")
		if len(warnings) == 0 {
			return ""
		}
		return warnings[0].Message
	}
	if got := warns(covered); !strings.Contains(got, "mta-sts.example.com: HTTPS of the public web listener is switched off") {
		t.Errorf("without HTTPS: %q", got)
	}
	next.Settings.PublicWeb.HTTPS.Enabled, next.Settings.TLS.Enabled = true, true
	if got := warns(covered); got != "" {
		t.Errorf("as it should be: %q", got)
	}
	if got := warns(newPublisher(t, new(outside), shown(t, "mail.example.com"))); !strings.Contains(got, "no certificate") {
		t.Errorf("without a certificate: %q", got)
	}
}
