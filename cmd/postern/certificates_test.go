package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/smtp/smtptest"
)

// B11, B51: a listener that asks this machine for a PROXY header is proven as well.
func TestProofBehindAProxy(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.must("PATCH", "/listeners/inbound?wait=5s", `{"proxy_protocol_from":["127.0.0.1"]}`)
	p := decode[servedCertificates](t, g.must("POST", "/certificates/"+g.activeCertificate().ID+"/proof", ""))
	if !p.Proven || len(p.Endpoints) < 2 {
		t.Errorf("%+v", p)
	}
}

type servedCertificates struct {
	Proven    bool
	Endpoints []struct {
		Endpoint, Problem string
		ServerName        string `json:"server_name"`
		Expected, Served  bool
		CertificateID     string `json:"certificate_id"`
	}
}

func (g *gateway) selfSigned(t *testing.T, host string) string {
	t.Helper()
	return decode[struct{ ID string }](t, g.must("POST", "/certificates/self-signed", fmt.Sprintf(`{"host_name":%q}`, host))).ID
}

// B51: the proof is what endpoints show, by name and binding.
func TestProofOfActivation(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.must("PUT", "/settings/management", `{"https":{"enabled":true,"address":"127.0.0.1","port":0},"certificate_id":""}`)
	g.switchOnTLS()
	id, bound := g.selfSigned(t, "mail.example.com"), g.selfSigned(t, "bound.example.com")
	g.must("PATCH", "/listeners/outbound?wait=5s", fmt.Sprintf(`{"certificate_id":%q}`, bound))
	g.must("POST", "/certificates/"+id+"/activate?wait=5s", "")
	for _, test := range []struct {
		id       string
		endpoint string
	}{{id, "listener inbound"}, {bound, "listener outbound"}} {
		p := decode[servedCertificates](t, g.must("POST", "/certificates/"+test.id+"/proof", ""))
		served := 0
		for _, e := range p.Endpoints {
			if e.Problem != "" || e.Expected != e.Served || e.CertificateID == "" {
				t.Errorf("%+v", e)
			}
			if e.Endpoint == test.endpoint && e.Served {
				served++
			}
		}
		if !p.Proven || served != 2 || len(p.Endpoints) < 6 {
			t.Errorf("%s served %d of 2 times: %+v", test.endpoint, served, p)
		}
	}
	// B46: what is bound is named, and not deleted.
	if r := g.must("GET", "/certificates/"+bound+"/bindings", ""); !strings.Contains(string(r.body), `listener \"outbound\"`) {
		t.Errorf("%s", r.body)
	}
	g.must("PATCH", "/settings/outbound?wait=5s", fmt.Sprintf(`{"certificate_id":%q}`, bound))
	if r := g.call("DELETE", "/certificates/"+bound, ""); r.status != http.StatusConflict || !strings.Contains(string(r.body), "outbound TLS client") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// B41: a staged activation survives a restart, and takes place.
func TestStagedActivationAfterARestart(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	id := g.selfSigned(t, "staged.example.com")
	at := time.Now().Add(1500 * time.Millisecond).UTC().Format(time.RFC3339Nano)
	g.must("PUT", "/certificates/"+id+"/staged-activation", fmt.Sprintf(`{"activate_at":%q}`, at))
	token := g.token
	g.stop()
	again := newGateway(t, dir)
	again.token = token
	smtptest.Eventually(t, func() bool {
		return decode[struct{ ID string }](t, again.must("GET", "/certificates/active", "")).ID == id
	})
}

// B41: servers that know us by another certificate than the one bound now are not
// spoken to over the old connection.
func TestClientCertificateEndsIdleConnections(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	g.routeTo("example.com", mx)
	g.sendTo("1@example.com")
	mx.WaitMessages(t, 1)
	id := g.selfSigned(t, "client.example.com")
	g.must("PATCH", "/settings/outbound?wait=5s", `{"own_addresses":["192.0.2.1"]}`)
	if mx.OpenConnections() != 1 {
		t.Fatalf("%d connections are kept", mx.OpenConnections())
	}
	g.must("PATCH", "/settings/outbound?wait=5s", fmt.Sprintf(`{"certificate_id":%q}`, id))
	smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 })
}

// B54: DNS under DNSSEC keeps an activation back; force does not ask.
func TestPublishedTLSAKeepsAnActivationBack(t *testing.T) {
	g := newGateway(t, t.TempDir())
	dns := smtptest.NewDNS(t)
	dns.AddTLSA("_25._tcp.mail.example.com", 3, 1, 1, bytes.Repeat([]byte{1}, 32))
	dns.Secure("_25._tcp.mail.example.com")
	g.must("PUT", "/settings/dns?wait=5s", fmt.Sprintf(`{"servers":[%q],"trusted":[]}`, dns.Addr()))
	id := g.selfSigned(t, "mail.example.com")
	if r := g.call("POST", "/certificates/"+id+"/activate", ""); r.status != http.StatusConflict || !strings.Contains(string(r.body), "3 1 1 ") {
		t.Errorf("%d %s", r.status, r.body)
	}
	g.must("POST", "/certificates/"+id+"/activate?force=true", "")
}

// No private key and no password is in the files of the data directory or in the
// events, whatever way they came or went.
func TestNoSecretIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	id := g.selfSigned(t, "mail.example.com")
	exported := decode[struct{ PEM string }](t, g.must("POST", "/certificates/"+id+"/export", `{"format":"pem","unencrypted":true}`))
	body, err := json.Marshal(map[string]string{"certificate": exported.PEM})
	if err != nil {
		t.Fatal(err)
	}
	g.must("POST", "/certificates/import", string(body))
	g.must("POST", "/certificates/"+id+"/export", `{"format":"pkcs12","password":"swordfish-swordfish"}`)
	events := g.must("GET", "/events?limit=1000", "")
	if !bytes.Contains(events.body, []byte("certificate.exported")) {
		t.Errorf("the export is in no event: %s", events.body)
	}
	key := strings.Split(exported.PEM, "\n")[1] // the first line of the key
	secrets := []string{key, "swordfish", "PRIVATE KEY"}
	wantNone(t, "events", events.body, secrets)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			wantNone(t, file, data, secrets)
		}
	}
}

func wantNone(t *testing.T, where string, data []byte, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if bytes.Contains(data, []byte(s)) {
			t.Errorf("%s holds a secret", where)
		}
	}
}
