package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

type activeCertificate struct{ ID, Source, Fingerprint string }

func (g *gateway) activeCertificate() activeCertificate {
	g.t.Helper()
	return decode[activeCertificate](g.t, g.must("GET", "/certificates/active", ""))
}

func writeDigitalID(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	folder := filepath.Join(dir, "digital-id")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// B47: files that are there at the start are taken; files that disagree are
// reported, by status and by an alert that resolves itself; a later activation is
// written.
func TestDigitalIDFiles(t *testing.T) {
	dir := t.TempDir()
	ca := smtptest.NewCA(t)
	one, two := ca.IssueFor(t, "mail.example.com"), ca.IssueFor(t, "mail.example.com")
	writeDigitalID(t, dir, map[string]string{"key.pem": string(one.KeyPEM), "cert.pem": string(one.CertificatePEM)})
	g := newGateway(t, dir)
	smtptest.Eventually(t, func() bool { return g.activeCertificate().Source == "digital_id" })
	first := g.activeCertificate()
	if e := g.eventAfter(0, "digital_id.loaded"); e.Subject.Key != first.ID {
		t.Errorf("%+v", e)
	}
	g.switchOnTLS()
	s := g.session("inbound")
	if got := s.StartTLS(&tls.Config{RootCAs: ca.Pool(), ServerName: "mail.example.com"}).PeerCertificates[0]; !got.Equal(one.Leaf) {
		t.Errorf("served is %v", got.Subject)
	}

	writeDigitalID(t, dir, map[string]string{"cert.pem": string(two.CertificatePEM)})
	alerted := func() bool {
		return strings.Contains(string(g.must("GET", "/alerts?state=open", "").body), "digital_id_refused")
	}
	smtptest.Eventually(t, alerted)
	if e := g.eventAfter(0, "digital_id.refused"); !strings.Contains(fmt.Sprint(e.Data["problem"]), "/key.pem") {
		t.Errorf("%+v", e)
	}
	if status := string(g.must("GET", "/status", "").body); !strings.Contains(status, "/key.pem: the private key does not belong") {
		t.Errorf("%s", status)
	}
	if got := g.activeCertificate(); got.ID != first.ID {
		t.Errorf("active is %+v", got)
	}
	writeDigitalID(t, dir, map[string]string{"key.pem": string(two.KeyPEM)})
	smtptest.Eventually(t, func() bool { return g.activeCertificate().ID != first.ID && !alerted() })

	g.must("PATCH", "/settings/tls?wait=5s", `{"write_digital_id":true}`)
	g.must("POST", "/certificates/"+first.ID+"/activate", "")
	both := filepath.Join(dir, "digital-id", "tls.pem")
	smtptest.Eventually(t, func() bool {
		text, err := os.ReadFile(both)
		return err == nil && strings.Contains(string(text), strings.TrimSpace(string(one.CertificatePEM)))
	})
	if got := g.activeCertificate(); got.ID != first.ID {
		t.Errorf("what we wrote was taken: %+v", got)
	}
}
