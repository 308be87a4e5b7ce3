package inbound

import (
	"crypto/tls"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/smtptest"
)

// verifying is a gateway that verifies the certificates of its clients.
func verifying(ca *smtptest.CA, mode policy.ListenerTLS) setup {
	p := flow(mode)
	p.VerifyClientCertificate = new(true)
	return setup{policies: []policy.MailFlowPolicy{p}, edits: []config.Edit{clientAuthority(ca)}}
}

// showing is a client that shows the certificate, whoever is asked for.
func showing(certificate tls.Certificate) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		},
	}
}

func TestVerifiedClientIsOnRecord(t *testing.T) { // B17
	ca := smtptest.NewCA(t)
	g := newGateway(t, verifying(ca, policy.ListenerTLSRequired))
	id := ca.Intermediate(t).Issue(t, smtptest.Leaf{CommonName: "mx(1).partner.example", ClientOnly: true})
	c := open(t, g)
	c.StartTLS(showing(id.TLS))
	c.Cmd(250, "EHLO client.test")
	c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
	c.Quit()
	m := g.all()[0]
	const subject = "CN=mx?1?.partner.example,O=Test"
	if !m.ClientTLS.Verified || m.ClientTLS.Verification != "verified as "+subject {
		t.Errorf("envelope: %+v", m.ClientTLS)
	}
	r, err := m.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(r)
	if !strings.Contains(string(text), "\r\n\t(client certificate "+subject+")\r\n\tby ") {
		t.Errorf("Received field:\n%s", text)
	}
	smtptest.Eventually(t, g.current.Load().Idle)
	if log := g.log.String(); !strings.Contains(log, `"verification":"verified as `+subject+`"`) {
		t.Errorf("mail log:\n%s", log)
	}
}

// Why a certificate was refused is in the log, never in the reply.
func TestRefusedCertificateIsLogged(t *testing.T) { // B17
	ca := smtptest.NewCA(t)
	g := newGateway(t, verifying(ca, policy.ListenerTLSPreferred))
	c := open(t, g)
	c.StartTLS(showing(smtptest.NewCA(t).Issue(t, smtptest.Leaf{CommonName: "forger.example"}).TLS))
	if r := c.Cmd(554, "EHLO client.test"); strings.Contains(r.Text(), "authority") || strings.Contains(r.Text(), "forger") {
		t.Errorf("the reply tells %q", r.Text())
	}
	c.Quit()
	smtptest.Eventually(t, g.current.Load().Idle)
	if log := g.log.String(); !strings.Contains(log, `"verification":"untrusted: `) || !strings.Contains(log, `"result":"certificate_refused"`) {
		t.Errorf("mail log:\n%s", log)
	}
}

// The roots of the system vouch for servers, not for our clients: with no anchor
// for clients nobody is valid.
func TestOnlyOwnAnchorsCount(t *testing.T) { // B17
	ca := smtptest.NewCA(t)
	s := verifying(ca, policy.ListenerTLSRequired)
	anchor := clientAuthority(ca)
	authority := anchor.Value.(policy.TrustAnchor)
	authority.Usage = policy.TrustAuthority
	anchor.Value = authority
	s.edits = []config.Edit{anchor}
	c := open(t, newGateway(t, s))
	c.StartTLS(showing(ca.Issue(t, smtptest.Leaf{CommonName: "mx.partner.example"}).TLS))
	c.Cmd(554, "EHLO client.test")
}

// A policy that asks for nothing takes every client, whatever it could show.
func TestCertificateIsAskedForByPolicy(t *testing.T) { // B17
	g := newGateway(t, preferred())
	c, asked := open(t, g), false
	c.StartTLS(&tls.Config{
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		},
	})
	c.Cmd(250, "EHLO client.test")
	if asked {
		t.Error("a certificate was asked for")
	}
}

// A session that is resumed is judged by the certificate that began it.
func TestResumedSessionKeepsItsCertificate(t *testing.T) { // B9, B17
	ca := smtptest.NewCA(t)
	s := verifying(ca, policy.ListenerTLSRequired)
	s.listener.SessionTickets = true
	g := newGateway(t, s)
	client := showing(ca.Issue(t, smtptest.Leaf{CommonName: "mx.partner.example"}).TLS)
	client.ServerName, client.ClientSessionCache = "x", tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		c := open(t, g)
		if state := c.StartTLS(client); state.DidResume != (i == 1) {
			t.Errorf("connection %d resumed: %t", i, state.DidResume)
		}
		c.Cmd(250, "EHLO client.test")
		c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
		c.Quit()
		if m := g.all()[i]; !m.ClientTLS.Verified {
			t.Errorf("connection %d: %+v", i, m.ClientTLS)
		}
	}
}

func TestExplainTellsWhatIsAskedOfClients(t *testing.T) { // B71
	ca := smtptest.NewCA(t)
	for _, tc := range []struct {
		mode policy.ListenerTLS
		want probe.CertificateDemand
	}{
		{policy.ListenerTLSPreferred, probe.CertificateVerified},
		{policy.ListenerTLSRequired, probe.CertificateRequired},
	} {
		s := verifying(ca, tc.mode)
		s.policies[0].TLSMandatorySenders = addresses(t, "@bank.example")
		s.edits = append(s.edits, exemption(t, "192.0.2.1"))
		e := newGateway(t, s).current.Load().Explain(netip.MustParseAddr("192.0.2.1"))
		if e.Certificate != tc.want || e.Exemption == nil || e.OffersSTARTTLS {
			t.Errorf("%s: certificate %q, exemption %v", tc.mode, e.Certificate, e.Exemption)
		}
		rules := []string{}
		for _, r := range e.Reasons {
			rules = append(rules, r.Rule)
		}
		want := []string{"mail_flow_policy", "starttls_exemption", "verify_client_certificate", "tls_mandatory_senders"}
		if diff := cmp.Diff(want, rules); diff != "" {
			t.Errorf("%s:\n%s", tc.mode, diff)
		}
	}
	e := newGateway(t, preferred()).current.Load().Explain(netip.MustParseAddr("192.0.2.1"))
	if e.Certificate != probe.CertificateIgnored {
		t.Errorf("nothing is asked for: %q", e.Certificate)
	}
}

// On a listener with implicit TLS nothing goes in clear, whatever the policy says
// of STARTTLS; with TLS switched off nothing goes at all (B1, B71).
func TestExplainOfImplicitTLS(t *testing.T) {
	for _, tc := range []struct {
		name     string
		switched bool
		want     []policy.Reason
	}{
		{"on", true, []policy.Reason{{Rule: "listener.protocol", Entry: "test", Asks: "TLS before SMTP begins"}}},
		{"off", false, []policy.Reason{
			{Rule: "listener.protocol", Entry: "test", Asks: "TLS before SMTP begins", OverruledBy: "tls.enabled"},
			{Rule: "tls.enabled", Entry: "false", Asks: "no connection"},
		}},
	} {
		s := setup{
			policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSOff)}, noTLS: !tc.switched,
			listener: policy.Listener{Protocol: policy.ProtocolSMTPS},
		}
		e := newGateway(t, s).current.Load().Explain(netip.MustParseAddr("192.0.2.1"))
		if !e.RequiresTLS || e.OffersSTARTTLS {
			t.Errorf("%s: %+v", tc.name, e)
		}
		if diff := cmp.Diff(tc.want, e.Reasons); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}
