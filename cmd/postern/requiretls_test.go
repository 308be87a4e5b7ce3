package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

// loopbackExchanger is a mail exchanger whose certificate is for 127.0.0.1.
func loopbackExchanger(t *testing.T, ca *smtptest.CA, o smtptest.MXOptions) *smtptest.MX {
	t.Helper()
	o.Certificate = ca.Issue(t, smtptest.Leaf{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}).TLS
	return smtptest.NewMX(t, o)
}

// routeInOrder sends the mail of a domain to exchangers, the first one first.
func (g *gateway) routeInOrder(domain string, exchangers ...*smtptest.MX) {
	g.t.Helper()
	var hops []string
	for i, mx := range exchangers {
		addr := mx.AddrPort()
		hops = append(hops, fmt.Sprintf(`{"host":%q,"port":%d,"priority":%d}`, addr.Addr(), addr.Port(), i))
	}
	g.must("PUT", "/routes/"+domain+"?wait=5s", `{"next_hops":[`+strings.Join(hops, ",")+`]}`)
}

// sendFlagged sends a message under REQUIRETLS.
func (g *gateway) sendFlagged(to string) {
	g.t.Helper()
	c := g.session("outbound")
	c.StartTLS(anyCertificate())
	if reply := c.Cmd(250, "EHLO client.test"); !strings.Contains(reply.String(), "REQUIRETLS") {
		g.t.Errorf("inside TLS EHLO says %s", reply)
	}
	c.Cmd(250, "MAIL FROM:<a@sender.example> RET=FULL REQUIRETLS")
	c.Cmd(250, "RCPT TO:<%s>", to)
	c.Cmd(354, "DATA")
	c.Cmd(250, "Subject: plans\r\n\r\nthe secret\r\n.")
	c.Quit()
}

// REQUIRETLS over three hosts: delivered by the third, which alone qualifies;
// bounced with 5.7.30 where none offers it, with 5.7.10 where none has acceptable
// TLS; and the bounce keeps the body to itself (B55–B58; RFC 8689).
func TestREQUIRETLSFromClientToHost(t *testing.T) {
	g, ca := newGateway(t, t.TempDir()), smtptest.NewCA(t)
	g.switchOnTLS()
	g.putTrustAnchor("own", "authority", ca.Root().Raw)
	var (
		good     = loopbackExchanger(t, ca, smtptest.MXOptions{TLSKeywords: []string{"REQUIRETLS"}})
		plain    = loopbackExchanger(t, ca, smtptest.MXOptions{})
		clear    = loopbackExchanger(t, ca, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
		broken   = loopbackExchanger(t, ca, smtptest.MXOptions{StartTLS: smtptest.StartTLSBroken})
		stranger = smtptest.NewMX(t, smtptest.MXOptions{TLSKeywords: []string{"REQUIRETLS"}})
		home     = smtptest.NewMX(t, smtptest.MXOptions{})
	)
	g.routeTo("sender.example", home)
	g.routeInOrder("third.example", clear, plain, good)
	g.routeInOrder("none-offers.example", plain, plain, plain)
	g.routeInOrder("no-tls.example", clear, broken, stranger)

	g.sendFlagged("b@third.example")
	good.WaitMessages(t, 1)
	for _, c := range good.Commands() {
		if c.Stage == "MAIL" && (!strings.HasSuffix(c.Argument, " REQUIRETLS") || !c.TLS) {
			t.Errorf("the host heard MAIL %s, TLS %t", c.Argument, c.TLS)
		}
	}
	for i, to := range []string{"b@none-offers.example", "b@no-tls.example"} {
		g.sendFlagged(to)
		notice := string(home.WaitMessages(t, i+1)[i].Content)
		for _, part := range []string{"Status: 5.7." + []string{"30", "10"}[i], "rfc822; " + to, "Subject: plans"} {
			if !strings.Contains(notice, part) {
				t.Errorf("the notice about %s does not say %q:\n%s", to, part, notice)
			}
		}
		if strings.Contains(notice, "the secret") {
			t.Errorf("the notice about %s has the body", to)
		}
	}
	for _, mx := range []*smtptest.MX{plain, clear, broken, stranger} {
		if n := len(mx.Messages()); n != 0 {
			t.Errorf("%d messages went to a host that does not qualify", n)
		}
	}
}

// Explain and verify tell what becomes of flagged mail, before any is sent (B56,
// B71).
func TestQuestionsAboutFlaggedMail(t *testing.T) {
	g, ca := newGateway(t, t.TempDir()), smtptest.NewCA(t)
	g.switchOnTLS()
	g.putTrustAnchor("own", "authority", ca.Root().Raw)
	g.routeInOrder("example.com", loopbackExchanger(t, ca, smtptest.MXOptions{}))

	out, code := g.command("explain", "destination", "example.com", "--requiretls")
	if code != 0 || !strings.Contains(out, "requiretls  asks for required, verified as the MX host") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := g.command("explain", "destination", "example.com"); code != 0 || strings.Contains(out, "requiretls") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := g.command("verify", "example.com", "--requiretls"); code != exitFailed || !strings.Contains(out, "mail would be bounced at extensions: 550 5.7.30") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := g.command("verify", "example.com"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// The header TLS-Required: No is a part of the envelope's record from the client
// to the API (B58).
func TestTLSRequiredNoIsShown(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.routeTo("example.com", smtptest.NewMX(t, smtptest.MXOptions{Greeting: "421 4.3.2 later"}))
	c := g.session("outbound")
	c.Send("a@sender.example", []string{"b@example.com"}, "TLS-Required: No\r\n\r\nbody\r\n")
	c.Quit()
	if shown := g.must("GET", "/messages/"+g.firstMessage(), ""); !strings.Contains(string(shown.body), `"tls_required_no":true`) {
		t.Errorf("the message is shown as %s", shown.body)
	}
	if out, code := g.command("explain", "message", g.firstMessage()); code != 0 || !strings.Contains(out, "Its header says TLS-Required: No.") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
