package main

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kolo/xmlrpc"

	"postern/domain/acme"
	"postern/domain/alert"
	"postern/domain/certificate"
)

// acmeGateway is a gateway that knows an authority.
func acmeGateway(t *testing.T, challenge string) (*gateway, *acmeAuthority) {
	t.Helper()
	ca, g := newACMEAuthority(t), newGateway(t, t.TempDir())
	g.openPublicWeb()
	g.must("PATCH", "/settings/tls?wait=5s", `{"enabled":true}`)
	ca.ask = askHTTP(g.webAddr(publicHTTP))
	if challenge == "tls-alpn-01" {
		ca.ask = askTLS(g.webAddr(publicHTTPS))
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate().Raw})
	anchor, err := json.Marshal(map[string]any{"usage": "authority", "certificate": string(root)})
	if err != nil {
		t.Fatal(err)
	}
	g.must("PUT", "/trust-anchors/ca?wait=5s", string(anchor))
	g.must("PATCH", "/settings/acme?wait=5s", fmt.Sprintf(
		`{"directory_url":%q,"terms_agreed":true,"contacts":["admin@example.com"],"alternative_names":["mx.example.com","smtp.example.com"],"challenge":%q}`,
		ca.URL+"/directory", challenge))
	return g, ca
}

type orderJob struct {
	ID      string                  `json:"id"`
	State   string                  `json:"state"`
	Steps   []struct{ Text string } `json:"steps"`
	Problem struct{ Detail string } `json:"problem"`
	Result  acme.Issued             `json:"result"`
}

// order orders a certificate and waits for what comes of it.
func (g *gateway) order() orderJob {
	g.t.Helper()
	begun := decode[orderJob](g.t, g.must("POST", "/acme/orders", ""))
	return decode[orderJob](g.t, g.must("GET", "/jobs/"+begun.ID+"?wait=30s", ""))
}

func (g *gateway) active() certificate.Certificate {
	g.t.Helper()
	c, err := g.certificates.Active(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// B48: three names, one challenge each, nonces refused every second time; the
// certificate is then the one that handshakes show.
func TestACMEOrderPutsACertificateIntoService(t *testing.T) {
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			g, ca := acmeGateway(t, challenge)
			done := g.order()
			names := []string{"mail.example.com", "mx.example.com", "smtp.example.com"}
			if done.State != "succeeded" || !slices.Equal(done.Result.Names, names) {
				t.Fatalf("order %+v", done)
			}
			if c := g.active(); c.ID != done.Result.CertificateID || !slices.Equal(c.Names, names) {
				t.Errorf("active is %s for %q", c.ID, c.Names)
			}
			if got := dialHTTPS(t, g.webAddr(managementHTTPS)).names(); !slices.Equal(got, names) {
				t.Errorf("a handshake shows %q", got)
			}
			if !strings.Contains(ca.contact, "mailto:admin@example.com") {
				t.Errorf("contact %s", ca.contact)
			}
			account := g.must("GET", "/acme/account", "")
			if !strings.Contains(string(account.body), done.Result.CertificateID) {
				t.Errorf("account %s", account.body)
			}
			if left := g.must("GET", "/acme/challenges", ""); strings.Contains(string(left.body), "token\"") {
				t.Errorf("answers are left: %s", left.body)
			}
		})
	}
}

// B48: one name that cannot be proven ends the order; the certificate before stays,
// and the alert has the transcript.
func TestACMEFailureLeavesTheCertificateAndRaisesAnAlert(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	ca.refuse = "mx.example.com"
	before := g.active()
	done := g.order()
	if done.State != "failed" || !strings.Contains(done.Problem.Detail, "it is not yours") {
		t.Fatalf("order %+v", done)
	}
	if after := g.active(); after.ID != before.ID || ca.issued != 0 {
		t.Errorf("active is %s, %d issued", after.ID, ca.issued)
	}
	alerts := string(g.must("GET", "/alerts", "").body)
	for _, want := range []string{"acme_failed", "mail.example.com", "is proven", "it is not yours"} {
		if !strings.Contains(alerts, want) {
			t.Errorf("alerts say nothing of %q: %s", want, alerts)
		}
	}
	if detail := g.alert("acme_failed:mail.example.com", isState(alert.Open), "the failed order").Detail; !strings.HasPrefix(detail, done.Problem.Detail+"\n\n") {
		t.Errorf("the alert does not say what the job says, and then the transcript: %q", detail)
	}
	ca.refuse = ""
	if done = g.order(); done.State != "succeeded" {
		t.Fatalf("the next order: %+v", done)
	}
	if alerts = string(g.must("GET", "/alerts?state=open", "").body); strings.Contains(alerts, "acme_failed") {
		t.Errorf("the alert is open still: %s", alerts)
	}
}

// B48, RFC 9773: the authority's window moves the renewal, which the schedule then
// does, with the key of the certificate before where that is wanted.
func TestACMERenewalFollowsTheAuthority(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	g.must("PATCH", "/settings/acme?wait=5s", `{"reuse_key":true}`)
	first := g.order()
	g.must("PATCH", "/settings/acme?wait=5s", `{"enabled":true}`)
	if err := g.acme.Renew(t.Context()); err != nil || g.active().ID != first.Result.CertificateID {
		t.Fatalf("renewed before its time: %v", err)
	}
	ca.mu.Lock()
	ca.window = [2]time.Time{time.Now().Add(-2 * time.Hour), time.Now().Add(-time.Hour)}
	ca.mu.Unlock()
	before := g.active()
	if err := g.acme.Advise(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.acme.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := g.active()
	if after.ID == before.ID {
		t.Fatal("not renewed")
	}
	old, _ := before.Leaf()
	renewed, _ := after.Leaf()
	if string(old.RawSubjectPublicKeyInfo) != string(renewed.RawSubjectPublicKeyInfo) {
		t.Error("the key is another one")
	}
	// RFC 9773 §4.1, §5: the key of the authority is 01020304, the serial number 101.
	if want := []string{"", "AQIDBA.ZQ"}; !slices.Equal(ca.replaces, want) {
		t.Errorf("the orders replace %q, want %q", ca.replaces, want)
	}
}

// An authority that does not take an order as a replacement gets an ordinary one.
func TestACMEReplacementThatIsRefused(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	g.order()
	ca.replaced = true
	if done := g.order(); done.State != "succeeded" || len(ca.replaces) != 3 || ca.replaces[2] != "" {
		t.Errorf("order %+v after %q", done, ca.replaces)
	}
}

// RFC 8737 §3: without a challenge that waits the handshake fails, and other clients
// see nothing of it.
func TestACMEHandshakeWithoutAChallengeFails(t *testing.T) {
	g, _ := acmeGateway(t, "tls-alpn-01")
	addr := g.webAddr(publicHTTPS)
	if err := askTLS(addr)("mail.example.com", ""); err == nil {
		t.Error("a challenge was answered that nobody set")
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{NextProtos: []string{acme.ALPN, "http/1.1"}, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("protocol %q", got)
	}
}

// B48: a script begins an order by XML-RPC.
func TestACMEOrderByXMLRPC(t *testing.T) {
	g, _ := acmeGateway(t, "http-01")
	client, err := xmlrpc.NewClient("http://admin:"+g.token+"@"+g.APIAddr()+"/RPC2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	var begun struct {
		Job string `xmlrpc:"job"`
	}
	if err := client.Call("acme.request", nil, &begun); err != nil {
		t.Fatal(err)
	}
	done := decode[orderJob](t, g.must("GET", "/jobs/"+begun.Job+"?wait=30s", ""))
	if list := g.must("GET", "/acme/orders", ""); done.State != "succeeded" || !strings.Contains(string(list.body), begun.Job) {
		t.Errorf("order %+v, listed %s", done, list.body)
	}
}
