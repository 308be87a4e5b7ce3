package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kolo/xmlrpc"

	"postern/domain/config"
	"postern/smtp/smtptest"
)

// The main job: a policy by REST, a message by SMTP, the same message at the
// next hop, under TLS, with the decision on record.
func TestMessageGoesThroughUnderTLS(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	g.switchOnTLS()
	g.must("PUT", "/domains/example.com", `{}`)
	g.must("PUT", "/destination-controls/example.com", `{"tls_level":"required"}`)
	g.routeTo("example.com", mx)

	c := g.session("inbound")
	c.StartTLS(anyCertificate())
	c.Cmd(250, "EHLO client.test")
	content := "Subject: hello\r\n\r\n.dot\r\nü\r\n"
	c.Send("a@sender.example", []string{"b@example.com", "c@example.com"}, content)
	c.Quit()

	m := mx.WaitMessages(t, 1)[0]
	if m.TLS == nil || len(m.Recipients) != 2 || !strings.HasSuffix(string(m.Content), content) {
		t.Errorf("arrived: TLS %v, %d recipients, %q", m.TLS != nil, len(m.Recipients), m.Content)
	}
	if v := mx.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
	smtptest.Eventually(t, func() bool {
		return strings.Contains(string(g.must("GET", "/deliveries", "").body), `"delivered"`)
	}, "the delivery is on record")
}

func TestMandatoryTLSDefersAndAChangedPolicyHeals(t *testing.T) { // B28
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/example.com", `{"tls_level":"required"}`)
	g.routeTo("example.com", mx)
	c := g.session("outbound")
	c.Send("a@sender.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")

	var list struct{ Items []struct{ ID string } }
	smtptest.Eventually(t, func() bool {
		r := g.must("GET", "/messages", "")
		list = decode[struct{ Items []struct{ ID string } }](t, r)
		return strings.Contains(string(r.body), "4.7.4")
	}, "the message is deferred for lack of TLS")
	if n := len(mx.Messages()); n != 0 {
		t.Fatalf("%d messages went out in clear", n)
	}
	attempts := g.must("GET", "/messages/"+list.Items[0].ID+"/attempts", "")
	if !strings.Contains(string(attempts.body), "destination_control") {
		t.Errorf("the attempt does not say which rule decided: %s", attempts.body)
	}
	g.must("PUT", "/destination-controls/example.com?wait=5s", `{"tls_level":"preferred"}`)
	g.must("POST", "/messages/"+list.Items[0].ID+"/retry", "")
	if m := mx.WaitMessages(t, 1)[0]; m.TLS != nil {
		t.Error("TLS out of nowhere")
	}
}

// 200 changes of policy while mail flows: no message is lost, no session is
// dropped, applied reaches committed.
func TestPolicyChangesUnderMailLoad(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	g.switchOnTLS()
	g.routeTo("ALL", mx)

	const senders, changes = 4, 200
	var stop atomic.Bool
	var sent atomic.Int64
	var load sync.WaitGroup
	for i := range senders {
		load.Go(func() {
			c := g.session("outbound") // one session over all the changes
			if i%2 == 0 {
				c.StartTLS(anyCertificate())
				c.Cmd(250, "EHLO client.test")
			}
			for !stop.Load() {
				c.Send("a@sender.example", []string{"b@example" + strconv.Itoa(i) + ".com"}, "Subject: x\r\n\r\nx\r\n")
				sent.Add(1)
			}
			c.Quit()
		})
	}
	levels := []string{"none", "preferred", "preferred_verify", "required"}
	for i := range changes {
		g.must("PUT", fmt.Sprintf("/destination-controls/example%d.com", i%senders), fmt.Sprintf(`{"tls_level":%q}`, levels[i/senders%len(levels)]))
	}
	r := g.must("PUT", "/destination-controls/default?wait=10s", `{"tls_level":"preferred"}`)
	stop.Store(true)
	load.Wait()
	if r.header.Get("Revision-Committed") != r.header.Get("Revision-Applied") {
		t.Errorf("committed %s, applied %s", r.header.Get("Revision-Committed"), r.header.Get("Revision-Applied"))
	}
	messages := mx.WaitMessages(t, int(sent.Load()))
	if len(messages) != int(sent.Load()) {
		t.Errorf("%d messages were accepted, %d arrived", sent.Load(), len(messages))
	}
	t.Logf("%d messages over %d changes", sent.Load(), changes)
}

// A certificate is activated by XML-RPC while clients shake hands: every
// handshake succeeds, those after the reply show the new one, and sessions that
// were open finish their mail.
func TestActivationByXMLRPCUnderHandshakes(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.must("PUT", "/domains/example.com", `{}`)
	g.routeTo("example.com", smtptest.NewMX(t, smtptest.MXOptions{}))
	early := g.session("inbound")
	early.StartTLS(anyCertificate())
	early.Cmd(250, "EHLO client.test")

	var stop atomic.Bool
	var shaken atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for !stop.Load() {
				c := g.session("inbound")
				c.StartTLS(anyCertificate())
				c.Close()
				shaken.Add(1)
			}
		})
	}
	client, err := xmlrpc.NewClient("http://admin:"+g.token+"@"+g.APIAddr()+"/RPC2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for range 10 {
		certificate, key, fingerprint := ownCertificate(t, "mail.example.com")
		var imported, activated struct {
			ID      string `xmlrpc:"id"`
			Applied bool   `xmlrpc:"applied"`
		}
		if err := client.Call("certificate.import_pem", map[string]any{"certificate": certificate, "private_key": key}, &imported); err != nil {
			t.Fatal(err)
		}
		if err := client.Call("certificate.activate", map[string]any{"id": imported.ID}, &activated); err != nil {
			t.Fatal(err)
		}
		if !activated.Applied {
			t.Error("the activation is not applied")
		}
		if got := shown(t, g); got != fingerprint {
			t.Errorf("the next handshake shows %s, want %s", got, fingerprint)
		}
	}
	stop.Store(true)
	load.Wait()
	early.Send("a@sender.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
	early.Quit()
	t.Logf("%d handshakes", shaken.Load())
}

func shown(t *testing.T, g *gateway) string {
	t.Helper()
	c := g.session("inbound")
	defer c.Close()
	sum := sha256.Sum256(c.StartTLS(anyCertificate()).PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:])
}

func ownCertificate(t *testing.T, name string) (certificate, key, fingerprint string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), hex.EncodeToString(sum[:])
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	first := newGateway(t, dir)
	first.must("PUT", "/destination-controls/example.com", `{"tls_level":"required_verify"}`)
	first.must("PUT", "/domains/example.com", `{}`)
	// A next hop that nobody listens on keeps the message in the queue.
	first.must("PUT", "/routes/example.com?wait=5s", fmt.Sprintf(`{"next_hops":[{"host":"127.0.0.1","port":%d}]}`, closedPort(t)))
	c := first.session("inbound")
	c.Send("a@sender.example", []string{"b@example.com"}, "Subject: kept\r\n\r\nkept\r\n")
	c.Quit()
	revision := first.config.Snapshot().Revision
	token := first.token
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	second := newGateway(t, dir)
	second.token = token
	if second.AdminToken != "" {
		t.Error("a token was shown again")
	}
	if got := second.config.Snapshot().Revision; got != revision {
		t.Errorf("revision %d, want %d", got, revision)
	}
	if r := second.must("GET", "/destination-controls/example.com", ""); !strings.Contains(string(r.body), "required_verify") {
		t.Errorf("the destination control is %s", r.body)
	}
	second.must("DELETE", "/destination-controls/example.com", "")
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	second.routeTo("example.com", mx)
	list := decode[struct{ Items []struct{ ID string } }](t, second.must("GET", "/messages", ""))
	if len(list.Items) != 1 {
		t.Fatalf("%d messages in the queue", len(list.Items))
	}
	second.must("POST", "/messages/"+list.Items[0].ID+"/retry", "")
	if m := mx.WaitMessages(t, 1)[0]; !strings.Contains(string(m.Content), "Subject: kept") {
		t.Errorf("arrived: %q", m.Content)
	}
}

func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestDataDirectoryIsHeldByOneProcess(t *testing.T) {
	dir := t.TempDir()
	newGateway(t, dir)
	if _, err := New(t.Context(), Options{DataDir: dir, API: "127.0.0.1:0", Logger: quiet()}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second gateway on the directory: %v", err)
	}
}

func TestManagementIsForThisMachineOnly(t *testing.T) {
	if _, err := New(t.Context(), Options{DataDir: t.TempDir(), API: "0.0.0.0:0", Seed: config.Seed{HostName: "mail.example.com"}, Logger: quiet()}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("clear HTTP on every address: %v", err)
	}
}

// A start that fails shows no token, so it must not have made one.
func TestFailedStartKeepsTheFirstToken(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, api := range []string{taken.Addr().String(), "0.0.0.0:0"} {
		_, err := New(t.Context(), Options{DataDir: dir, API: api, Seed: config.Seed{HostName: "mail.example.com"}, Logger: quiet()})
		if err == nil {
			t.Fatalf("a gateway started with its API on %s", api)
		}
	}
	g := newGateway(t, dir)
	if g.AdminToken == "" {
		t.Fatal("the start after the failed ones shows no token")
	}
	g.must("GET", "/status", "")
}

// A listener that could not listen is refused, and nothing changes.
func TestListenerWithoutAnAddressIsRefused(t *testing.T) {
	g := newGateway(t, t.TempDir())
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, inbound, _ := net.SplitHostPort(g.smtpAddr("inbound"))
	_, api, _ := net.SplitHostPort(g.APIAddr())
	_, foreign, _ := net.SplitHostPort(other.Addr().String())
	revision := g.config.Snapshot().Revision
	for name, tc := range map[string]struct{ address, port, pointer string }{
		"another program's port":  {"127.0.0.1", foreign, "/port"},
		"the API's port":          {"127.0.0.1", api, "/port"},
		"a listener's port":       {"127.0.0.1", inbound, "/port"},
		"all addresses, its port": {"0.0.0.0", inbound, "/port"},
		"all of IPv6, its port":   {"::", inbound, "/port"},
		"not of this machine":     {"192.0.2.1", "0", "/address"},
	} {
		body := fmt.Sprintf(`{"kind":"public","protocol":"smtp","host_name":"mail.example.com","address":%q,"port":%s}`, tc.address, tc.port)
		r := g.call("PUT", "/listeners/third", body)
		problem := decode[struct{ Errors []struct{ Pointer string } }](t, r)
		if r.status != 422 || len(problem.Errors) != 1 || problem.Errors[0].Pointer != tc.pointer {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if got := g.config.Snapshot().Revision; got != revision || g.engine.Ready() != nil {
		t.Errorf("revision %d, want %d; the engine says %v", got, revision, g.engine.Ready())
	}
	// What a listener has already is not tried against itself.
	address, port, _ := net.SplitHostPort(g.smtpAddr("outbound"))
	g.must("PATCH", "/listeners/outbound?wait=5s", `{"tcp_queue":10}`)
	g.must("PUT", "/listeners/third?wait=5s", fmt.Sprintf(`{"kind":"public","protocol":"smtp","host_name":"mail.example.com","address":%q,"port":%d}`, address, closedPort(t)))
	g.must("PATCH", "/listeners/third?wait=5s", `{"tcp_queue":10}`)
	if r := g.call("PATCH", "/listeners/third", fmt.Sprintf(`{"port":%s}`, port)); r.status != 422 {
		t.Errorf("moved to the port of another listener: %d %s", r.status, r.body)
	}
}

// At the first start and back to what was, the rest serves beside a taken port.
func TestSeedAndRollbackBearATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	app, err := New(t.Context(), Options{
		DataDir: t.TempDir(), API: "127.0.0.1:0", Grace: time.Second, Logger: quiet(),
		Seed: config.Seed{HostName: "mail.example.com", PublicPort: port},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = app.Stop(t.Context()) }()
	if _, err := app.config.Commit(t.Context(), config.Change{Edits: []config.Edit{{Kind: config.KindListener, Key: "inbound"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := app.config.Rollback(t.Context(), 1, config.Act{Author: "test"}); err != nil {
		t.Error(err)
	}
}
