package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/smtp/smtptest"
)

// sendTo sends one small message to the recipients through the private listener.
func (g *gateway) sendTo(recipients ...string) {
	g.t.Helper()
	c := g.session("outbound")
	c.Send("a@sender.example", recipients, "Subject: x\r\n\r\nx\r\n")
	c.Quit()
}

// waitShown waits until a list of the API holds the text.
func (g *gateway) waitShown(path, text string) {
	g.t.Helper()
	smtptest.Eventually(g.t, func() bool {
		return strings.Contains(string(g.must("GET", path, "").body), text)
	}, path+" shows "+text)
}

// putTrustAnchor writes a trust anchor of certificates in DER form.
func (g *gateway) putTrustAnchor(name, usage string, der []byte) {
	g.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	body, err := json.Marshal(map[string]string{"usage": usage, "certificate": string(text)})
	if err != nil {
		g.t.Fatal(err)
	}
	g.must("PUT", "/trust-anchors/"+name+"?wait=5s", string(body))
}

// Own authorities and pinned servers make certificates verified as soon as they
// are in force, and no longer than that (B23).
func TestTrustAnchorsTakeEffectAtOnce(t *testing.T) {
	ca := smtptest.NewCA(t)
	issued := ca.IssueFor(t, "example.com").TLS
	for _, usage := range []string{"authority", "pinned_server"} {
		t.Run(usage, func(t *testing.T) {
			g := newGateway(t, t.TempDir())
			g.switchOnTLS()
			mx := smtptest.NewMX(t, smtptest.MXOptions{Certificate: issued})
			g.must("PUT", "/destination-controls/example.com", `{"tls_level":"required_verify"}`)
			g.routeTo("example.com", mx)
			g.sendTo("1@example.com")
			g.waitShown("/messages", "4.7.5")

			der := map[string][]byte{"authority": ca.Root().Raw, "pinned_server": issued.Certificate[0]}[usage]
			g.putTrustAnchor("own", usage, der)
			if explained := g.must("GET", "/tls/explain?domain=example.com", ""); !strings.Contains(string(explained.body), `"trust_anchors":["own"]`) {
				t.Errorf("explain does not name the anchor: %s", explained.body)
			}
			g.must("POST", "/messages/"+g.firstMessage()+"/retry", "")
			mx.WaitMessages(t, 1)

			// The connection that was verified under the anchor ends with it.
			smtptest.Eventually(t, func() bool { return g.deliverer.IdleConnections() == 1 }, "an idle connection")
			g.must("DELETE", "/trust-anchors/own?wait=5s", "")
			if n := g.deliverer.IdleConnections(); n != 0 {
				t.Errorf("%d idle connections outlive the trust anchor", n)
			}
			g.sendTo("2@example.com")
			g.waitShown("/messages", "4.7.5")
			if n := len(mx.Messages()); n != 1 {
				t.Errorf("%d messages arrived", n)
			}
		})
	}
}

// firstMessage is the id of the first message of the queue.
func (g *gateway) firstMessage() string {
	g.t.Helper()
	list := decode[struct{ Items []struct{ ID string } }](g.t, g.must("GET", "/messages", ""))
	if len(list.Items) == 0 {
		g.t.Fatal("the queue is empty")
	}
	return list.Items[0].ID
}

// Mail leaves through a server profile with credentials (B31, B32), which are on
// disk sealed only and serve again after a restart.
func TestMailThroughAServerProfile(t *testing.T) {
	const password = "an-unlikely-password-4711"
	dir := t.TempDir()
	mx := smtptest.NewMX(t, smtptest.MXOptions{Auth: smtptest.Auth{Mechanisms: "PLAIN", Username: "postern", Password: password}})
	g := newGateway(t, dir)
	g.switchOnTLS()
	g.must("PUT", "/server-profiles/smarthost", fmt.Sprintf(`{"type":"smtp","uris":["smtp://%s"],"transport_encryption":"starttls_required",
		"verify":false,"allow_credentials_over_unverified_tls":true,"username":"postern","password":%q}`, mx.Addr(), password))
	g.must("PUT", "/routes/example.com?wait=5s", `{"next_hops":[{"server_profile":"smarthost","priority":0}]}`)

	if v := g.profileVerdict(); v != "deliverable" || len(mx.Messages()) > 0 {
		t.Errorf("the live test says %s, and left %d messages", v, len(mx.Messages()))
	}
	if out, code := g.command("verify", "--profile", "smarthost"); code != 0 || !strings.Contains(out, "the peer took the credentials") || strings.Contains(out, password) {
		t.Errorf("exit code %d: %s", code, out)
	}
	g.sendTo("b@example.com")
	if m := mx.WaitMessages(t, 1)[0]; m.User != "postern" || m.TLS == nil {
		t.Errorf("the message came from %q, TLS %t", m.User, m.TLS != nil)
	}
	explained := string(g.must("GET", "/tls/explain?domain=example.com", "").body)
	if !strings.Contains(explained, `"server_profile":"smarthost"`) {
		t.Errorf("explain does not name the profile: %s", explained)
	}
	g.stop()
	checkNowhere(t, dir, password)

	again := newGateway(t, dir)
	again.token = g.token
	again.sendTo("c@example.com")
	if m := mx.WaitMessages(t, 2)[1]; m.User != "postern" {
		t.Errorf("after a restart the message came from %q", m.User)
	}
}

// profileVerdict is that of the live test of the profile "smarthost".
func (g *gateway) profileVerdict() string {
	g.t.Helper()
	test := decode[struct{ Delivery struct{ Verdict string } }](g.t, g.must("POST", "/server-profiles/smarthost/test", ""))
	return test.Delivery.Verdict
}

// checkNowhere fails the test where a file of the folder holds the secret.
func checkNowhere(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds the secret in clear", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A roll back returns to the password of then (B70).
func TestRollBackReturnsToThePassword(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Auth: smtptest.Auth{Mechanisms: "PLAIN", Username: "postern", Password: "first-password"}})
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	first := g.must("PUT", "/server-profiles/smarthost", fmt.Sprintf(`{"type":"smtp","uris":["smtp://%s"],"transport_encryption":"starttls_required",
		"verify":false,"allow_credentials_over_unverified_tls":true,"username":"postern","password":"first-password"}`, mx.Addr()))
	g.must("PATCH", "/server-profiles/smarthost", `{"password":"second-password"}`)
	if g.profileVerdict() != "deferred" {
		t.Error("the server takes the second password")
	}
	g.must("POST", "/revisions/"+first.header.Get("Revision-Committed")+"/rollback?wait=5s", "")
	if g.profileVerdict() != "deliverable" {
		t.Error("the roll back did not return to the first password")
	}
}

// Mail to a discarding route is settled as delivered and on record (B31).
func TestDiscardedMailIsOnRecord(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.must("PUT", "/routes/.void.example?wait=5s", `{"next_hops":[{"discard":true,"priority":0}]}`)
	g.sendTo("b@x.void.example")
	g.waitShown("/deliveries", "discarded by route")
	if explained := g.must("GET", "/tls/explain?domain=x.void.example", ""); !strings.Contains(string(explained.body), "/dev/null") {
		t.Errorf("explain: %s", explained.body)
	}
}

// Entries of the STARTTLS lists end with their expiry, and may bounce at once
// (B25, B28).
func TestSTARTTLSListEntries(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.routeTo("ALL", mx)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	g.must("PUT", "/starttls-requirements/127.0.0.1?wait=5s", fmt.Sprintf(`{"reason":"over","expires":%q}`, past))
	g.sendTo("b@example.com")
	if m := mx.WaitMessages(t, 1)[0]; m.TLS != nil {
		t.Error("TLS out of nowhere")
	}
	g.must("PUT", "/starttls-requirements/127.0.0.1?wait=5s", `{"reason":"contract","bounce_at_once":true}`)
	g.sendTo("c@example.com")
	g.waitShown("/deliveries", "5.7.4")
	for _, m := range mx.Messages() {
		if m.Recipients[0].Address == "c@example.com" {
			t.Error("mail that must be encrypted went in clear")
		}
	}
}

// No more recipients than the rate allows are tried; the rest waits without
// having failed (B21).
func TestRecipientsPerMinutes(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	for _, per := range []string{"domain", "mx_address"} {
		domain := strings.ReplaceAll(per, "_", "-") + ".example"
		g.must("PUT", "/destination-controls/"+domain, fmt.Sprintf(`{"recipients_per_minutes":{"recipients":2,"minutes":60},"limit_per":%q}`, per))
		g.routeTo(domain, mx)
		g.sendTo("1@"+domain, "2@"+domain, "3@"+domain)
	}
	smtptest.Eventually(t, func() bool { return g.queue.Stats().Delivered == 4 }, "two recipients of each domain are delivered")
	if s := g.queue.Stats(); s.Waiting != 2 || s.Deferred != 0 {
		t.Errorf("%d wait, %d were deferred", s.Waiting, s.Deferred)
	}
}
