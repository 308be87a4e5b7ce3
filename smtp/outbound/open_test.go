package outbound

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
	"postern/smtp/tlsverify"
)

// example is the target of rig.simple.
func example() target {
	return target{hop: hop{host: "mx.example.com", port: 25}, addr: netip.MustParseAddrPort("192.0.2.1:25")}
}

// termsFor are terms whose rung is the level of the decision.
func termsFor(d policy.Decision) terms {
	d.Domain, d.MinVersion = "example.com", tls.VersionTLS12
	return terms{decision: d, rung: rung{level: d.Level}, hello: "client.test"}
}

// TestRequireTLSOffer is RFC 8689: the peer must offer REQUIRETLS inside TLS.
func TestRequireTLSOffer(t *testing.T) {
	d := policy.Decision{Level: policy.TLSRequired, Checks: []policy.Check{policy.CheckMXHost}, RequireTLS: true}
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{})
	_, f := r.open(t.Context(), example(), termsFor(d))
	if f == nil || f.class != requireTLSNotOffered {
		t.Fatalf("got %+v", f)
	}
	if o := f.outcome(d); o.Status != delivery.Bounced || o.Enhanced != "5.7.30" {
		t.Errorf("outcome %s", o)
	}
	mx.Update(func(o *smtptest.MXOptions) { o.TLSKeywords = []string{"REQUIRETLS"} })
	s, f := r.open(t.Context(), example(), termsFor(d))
	if f != nil {
		t.Fatalf("got %+v", f)
	}
	s.client.quit()
	mx.Update(func(o *smtptest.MXOptions) { o.StartTLS = smtptest.StartTLSHidden })
	_, f = r.open(t.Context(), example(), termsFor(d))
	if o := f.outcome(d); o.Status != delivery.Bounced || o.Enhanced != "5.7.10" {
		t.Errorf("outcome %s", o)
	}
}

// TestFlaggedMessage shows that a message under REQUIRETLS leaves by no host for
// which nobody vouches (B56).
func TestFlaggedMessage(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{TLSKeywords: []string{"REQUIRETLS"}})
	m := mail(t, body, "b@example.com")
	m.RequireTLS = true
	a := r.deliver(m)
	want(t, a, "bounced policy 550 5.7.10")
	if mx.Connections() != 0 || !a.Decision.RequireTLS {
		t.Errorf("%d connections, decision %+v", mx.Connections(), a.Decision)
	}
}

// TestFlaggedRecipient is B55 for one recipient of several: the others' mail is
// as if the feature were off.
func TestFlaggedRecipient(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{})
	m := mail(t, body, "a@example.com", "b@example.com")
	m.Recipients[1].RequireTLS = true
	want(t, r.Deliver(t.Context(), m, []int{1}), "bounced policy 550 5.7.10")
	want(t, r.Deliver(t.Context(), m, []int{0}), delivered)
	if got := mx.Messages(); len(got) != 1 || len(got[0].Recipients) != 1 {
		t.Errorf("%d messages arrived", len(got))
	}
}

// TestFlaggedMessageWaitsForDNS is B57: a look-up that failed is no requirement
// that failed.
func TestFlaggedMessageWaitsForDNS(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "mx.example.com", "mx2.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	m := mail(t, body, "a@example.com")
	m.Recipients[0].RequireTLS = true
	r.resolver.fail = []mailaddr.DomainName{"mx2.example.com"}
	if o := r.deliver(m).Results[0].Outcome; o.Status != delivery.Deferred {
		t.Errorf("outcome %s", o)
	}
}

// TestUnknownCheckFailsClosed is a check that nobody can make here.
func TestUnknownCheckFailsClosed(t *testing.T) {
	d := policy.Decision{Level: policy.TLSRequired, Checks: []policy.Check{policy.CheckMXHost, "of another day"}}
	r := newRig(t)
	r.simple(smtptest.MXOptions{})
	s, f := r.open(t.Context(), example(), termsFor(d))
	if f == nil || f.class != unverified || s.tls.Verified {
		t.Errorf("got %+v, TLS %+v", f, s.tls)
	}
	if !strings.HasPrefix(s.tls.Verification, string(tlsverify.Unsupported)) {
		t.Errorf("recorded %q", s.tls.Verification)
	}
}

// TestDANECheckWithoutRecordsFailsClosed is a decision that asks for TLSA records at
// a host of which there are none.
func TestDANECheckWithoutRecordsFailsClosed(t *testing.T) {
	r := newRig(t)
	r.simple(smtptest.MXOptions{})
	d := policy.Decision{Level: policy.TLSRequired, Checks: []policy.Check{policy.CheckDANE}}
	if s, f := r.open(t.Context(), example(), termsFor(d)); f == nil || f.class != unverified || s.tls.Verified {
		t.Errorf("got %+v, TLS %+v", f, s.tls)
	}
}

// TestLateAlert is a peer that refuses the handshake when our end of it is done,
// as TLS 1.3 allows: it counts as a failed handshake all the same.
func TestLateAlert(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSPreferred))
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	r.network.peers["192.0.2.1:25"] = demanding(t)
	a := r.send("b@example.com")
	want(t, a, "deferred starttls 450 4.7.5")
	if text := a.Results[0].Outcome.Text; !strings.Contains(text, "certificate required") || len(a.Hosts) != 2 {
		t.Errorf("recorded %q after %d tries", text, len(a.Hosts))
	}
}

// demanding is a peer that wants a client certificate.
func demanding(t *testing.T) string {
	t.Helper()
	config := &tls.Config{
		Certificates: []tls.Certificate{smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"mx.test"}}).TLS},
		ClientAuth:   tls.RequireAnyClientCert,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			demand(conn, config)
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return listener.Addr().String()
}

func demand(conn net.Conn, config *tls.Config) {
	defer conn.Close()
	for _, lines := range []string{"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go on\r\n"} {
		_, _ = io.WriteString(conn, lines)
		if strings.HasPrefix(lines, "220 go") {
			break
		}
		_, _ = conn.Read(make([]byte, 512))
	}
	_ = tls.Server(conn, config).Handshake()
	_, _ = io.Copy(io.Discard, conn) // Closing at once would lose the alert.
}
