package main

import (
	"fmt"
	"strings"
	"testing"

	"postern/domain/config"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// A partner behind a proxy must show a certificate, others need not; and who is
// on the list of senders must use TLS, wherever it comes from.
func TestPartnersProveThemselves(t *testing.T) { // B11, B14, B17
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	ca := smtptest.NewCA(t)
	g.switchOnTLS()
	g.must("PUT", "/domains/example.com", `{}`)
	g.routeTo("example.com", mx)
	g.trustClientsOf(ca)
	g.must("PUT", "/mail-flow-policies/PARTNER", `{"action":"accept","tls":"required","verify_client_certificate":true}`)
	g.must("PUT", "/listeners/inbound/sender-groups/PARTNERS", `{"policy":"PARTNER","senders":[{"pattern":"198.51.100.0/24"}]}`)
	g.must("PATCH", "/listeners/inbound?wait=5s", `{"proxy_protocol_from":["127.0.0.1"],
		"default_policy_parameters":{"tls_mandatory_senders":["boss@bank.example"]}}`)

	partner := g.throughProxy("198.51.100.7")
	partner.StartTLS(anyCertificate())
	partner.Cmd(554, "EHLO client.test")
	partner.Quit()

	partner = g.throughProxy("198.51.100.7")
	proof := anyCertificate()
	proof.Certificates = append(proof.Certificates, ca.Issue(t, smtptest.Leaf{CommonName: "mx.partner.example"}).TLS)
	partner.StartTLS(proof)
	partner.Cmd(250, "EHLO client.test")
	partner.Send("boss@bank.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
	partner.Quit()
	received := string(mx.WaitMessages(t, 1)[0].Content)
	if !strings.Contains(received, "([198.51.100.7])") || !strings.Contains(received, "(client certificate CN=mx.partner.example,O=Test)") {
		t.Errorf("arrived:\n%s", received)
	}

	other := g.throughProxy("203.0.113.9")
	other.Cmd(530, "MAIL FROM:<boss@bank.example>")
	other.Send("clerk@bank.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
	other.Quit()

	explained := string(g.must("GET", "/tls/explain?listener=inbound&client=198.51.100.7", "").body)
	for _, want := range []string{`"client_certificate":"required"`, `"verify_client_certificate"`, `"tls_mandatory_senders"`} {
		if !strings.Contains(explained, want) {
			t.Errorf("explain lacks %s:\n%s", want, explained)
		}
	}
	if proxy := string(g.must("GET", "/tls/explain?listener=inbound&client=127.0.0.1", "").body); !strings.Contains(proxy, `"proxy_protocol_from":"127.0.0.1/32"`) {
		t.Errorf("explain of the proxy:\n%s", proxy)
	}
}

// trustClientsOf makes the authority a trust anchor for clients.
func (g *gateway) trustClientsOf(ca *smtptest.CA) {
	g.t.Helper()
	anchor := policy.TrustAnchor{Name: "partners", Usage: policy.TrustClients, Certificate: string(ca.RootPEM())}
	_, err := g.App.config.Commit(g.t.Context(), config.Change{Author: "test", Edits: []config.Edit{
		{Kind: config.KindTrustAnchor, Key: anchor.Name, Value: anchor},
	}})
	if err != nil {
		g.t.Fatal(err)
	}
}

// throughProxy opens a session on the public listener as the client at the
// address, by way of a proxy on this machine.
func (g *gateway) throughProxy(client string) *smtptest.Client {
	g.t.Helper()
	c := smtptest.Dial(g.t, g.smtpAddr("inbound"))
	c.Write(fmt.Sprintf("PROXY TCP4 %s 192.0.2.25 40000 25\r\n", client))
	c.Greet()
	return c
}
