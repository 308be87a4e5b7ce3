package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/smtp/smtptest"
)

// B48: whatever an authority says, the job has its problem document, an alert is
// raised, and the certificate before stays.
func TestFaultsOfAuthorities(t *testing.T) {
	for name, c := range map[string]struct {
		kind  string
		fault authorityFault
		pause time.Duration // that the schedule keeps at least
	}{
		"rate limit":       {"order", authorityFault{429, "rateLimited", "too many certificates already issued", "86400"}, 24 * time.Hour},
		"order refused":    {"order", authorityFault{403, "rejectedIdentifier", "policy forbids the name", ""}, 15 * time.Minute},
		"CAA":              {"finalize", authorityFault{403, "caa", "CAA record for example.com prevents issuance", ""}, 15 * time.Minute},
		"bad CSR":          {"finalize", authorityFault{400, "badCSR", "the key is too weak", ""}, 15 * time.Minute},
		"order invalid":    {"finalize", authorityFault{403, "orderNotReady", "the order is invalid", ""}, 15 * time.Minute},
		"account refused":  {"account", authorityFault{401, "externalAccountRequired", "bind an external account", ""}, 15 * time.Minute},
		"authority broken": {"challenge", authorityFault{403, "serverInternal", "come again", ""}, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			g, ca := acmeGateway(t, "http-01")
			before := g.active()
			ca.faults = map[string]authorityFault{c.kind: c.fault}
			began := time.Now()
			done := g.order()
			if done.State != "failed" || !strings.Contains(done.Problem.Detail, c.fault.detail) {
				t.Fatalf("order %+v", done)
			}
			g.wantFailedOrder(before.ID, c.fault.detail)
			if next := g.nextOrder(); next.Before(began.Add(c.pause)) {
				t.Errorf("the next order is at %v", next)
			}
		})
	}
}

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

// The second directory issues where the first cannot be reached.
func TestSecondDirectory(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close() // nobody listens there
	g.must("PATCH", "/settings/acme?wait=5s", fmt.Sprintf(
		`{"directory_url":"https://%s/directory","fallback_directory_url":%q}`, closed.Addr(), ca.URL+"/directory"))
	done := g.order()
	if done.State != "succeeded" || done.Result.Directory != ca.URL+"/directory" {
		t.Fatalf("order %+v", done)
	}
	steps := ""
	for _, s := range done.Steps {
		steps += s.Text + "\n"
	}
	if !strings.Contains(steps, "connection refused") || !strings.Contains(steps, "The second directory is asked.") {
		t.Errorf("transcript %s", steps)
	}
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
