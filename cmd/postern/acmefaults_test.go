package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/smtp/smtptest"
)

// wantFailedOrder fails the test unless the certificate is active still and an alert
// has the words.
func (g *gateway) wantFailedOrder(active, words string) {
	g.t.Helper()
	if after := g.active(); after.ID != active {
		g.t.Errorf("active is %s", after.ID)
	}
	if alerts := string(g.must("GET", "/alerts?state=open", "").body); !strings.Contains(alerts, "acme_failed") || !strings.Contains(alerts, words) {
		g.t.Errorf("alerts say nothing of %q: %s", words, alerts)
	}
}

// nextOrder is before when the schedule orders nothing.
func (g *gateway) nextOrder() time.Time {
	g.t.Helper()
	known, err := g.database.ACME().Renewal(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	return known.NextTry
}

// A certificate that would not hold by our clock is not taken: one of the two clocks
// is wrong. No other is asked for in the meantime.
func TestCertificateOfTheFutureIsNotInstalled(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	before := g.active()
	ca.notBefore = time.Now().Add(time.Hour)
	began := time.Now()
	done := g.order()
	if done.State != "failed" || !strings.Contains(done.Problem.Detail, "not valid before") {
		t.Fatalf("order %+v", done)
	}
	g.wantFailedOrder(before.ID, "not valid before")
	if next := g.nextOrder(); next.Before(began.Add(24 * time.Hour)) {
		t.Errorf("the next order is at %v", next)
	}
}

// B54: a certificate that breaks a published TLSA record is not activated by the
// schedule either; who forces it can.
func TestPublishedTLSAKeepsAnOrderBack(t *testing.T) {
	g, _ := acmeGateway(t, "http-01")
	before := g.active()
	dns := smtptest.NewDNS(t)
	dns.AddTLSA("_25._tcp.mail.example.com", 3, 1, 1, bytes.Repeat([]byte{1}, 32))
	dns.Secure("_25._tcp.mail.example.com")
	g.must("PUT", "/settings/dns?wait=5s", fmt.Sprintf(`{"servers":[%q],"trusted":[]}`, dns.Addr()))
	done := g.order()
	if done.State != "failed" || !strings.Contains(done.Problem.Detail, "3 1 1 ") {
		t.Fatalf("order %+v", done)
	}
	g.wantFailedOrder(before.ID, "3 1 1 ")
}

// RFC 8555 §7.3.1: an authority that has lost the account gives another one for the
// same key.
func TestLostAccountBeginsAnew(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	if first := g.order(); first.State != "succeeded" {
		t.Fatalf("order %+v", first)
	}
	ca.mu.Lock()
	ca.contact = "" // it knows nobody
	ca.mu.Unlock()
	if done := g.order(); done.State != "succeeded" || !strings.Contains(ca.contact, "admin@example.com") {
		t.Errorf("order %+v, contact %s", done, ca.contact)
	}
}

// RFC 8555 §7.5.2: what no order needs any more is given up.
func TestAuthorizationsOfAFailedOrderAreGivenUp(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	ca.refuse = "mail.example.com" // the first of three
	if done := g.order(); done.State != "failed" {
		t.Fatalf("order %+v", done)
	}
	if want := []string{"mx.example.com", "smtp.example.com"}; !slices.Equal(ca.givenUp, want) {
		t.Errorf("given up are %q", ca.givenUp)
	}
}
