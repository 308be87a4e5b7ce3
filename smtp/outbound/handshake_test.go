package outbound

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// Clear text in place of a ServerHello is injected too (B30), though it came in a
// packet of its own, behind the 220: the peer is not listed, nothing goes in clear,
// and the next host is tried.
func TestLateInjectionIsNoFailedHandshake(t *testing.T) {
	granted := policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: tls.VersionTLS12}
	r := newRig(t, granted, control(t, "example.com", policy.TLSPreferred))
	r.domain("example.com", "a.example.com", "b.example.com")
	attacked := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSGarbage})
	good := smtptest.NewMX(t, smtptest.MXOptions{})
	r.host("a.example.com", "192.0.2.1", attacked)
	r.host("b.example.com", "192.0.2.2", good)
	a := r.send("b@example.com")
	want(t, a, delivered)
	if !a.TLS.Encrypted() || a.Host != "b.example.com" || a.Hosts[0].Evidence.STARTTLS != delivery.PeerTLSInjected {
		t.Errorf("recorded %+v", a)
	}
	if attacked.Connections() != 1 || len(r.OneHour.List()) != 0 {
		t.Error("injected text led to another connection or to the one-hour list")
	}
}

// A server for clear text behind an smtps URI is no attack, and gets no mail.
func TestClearTextUnderImplicitTLS(t *testing.T) {
	c := new(client)
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	go func() { _, _ = io.WriteString(theirs, "220 mx.example.com ESMTP\r\n") }()
	c.wire = newWire(ours, time.Minute)
	c.timeouts.Handshake = time.Minute
	_, f := c.implicitTLS(t.Context(), &tls.Config{InsecureSkipVerify: true})
	if f == nil || f.class != handshakeFailed {
		t.Errorf("%+v", f)
	}
}

// TestInjectionStopsTheSession is B30: nothing is said behind the injected text.
func TestInjectionStopsTheSession(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSPreferred), policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: tls.VersionTLS12})
	mx := r.simple(smtptest.MXOptions{StartTLS: smtptest.StartTLSInjected})
	want(t, r.send("b@example.com"), "deferred starttls 450 4.7.5")
	if got := said(mx, 1); !slices.Equal(got, []string{"CONNECT", "EHLO", "STARTTLS"}) {
		t.Errorf("said %q", got)
	}
	if mx.Connections() != 1 || len(r.OneHour.List()) != 0 {
		t.Error("injected text led to another connection or to the one-hour list")
	}
}

// TestSmallHello is the rung before any weaker one (B24).
func TestSmallHello(t *testing.T) {
	for _, level := range []policy.TLSLevel{policy.TLSPreferred, policy.TLSRequiredVerifyHosted} {
		t.Run(level.String(), func(t *testing.T) {
			r := newRig(t, control(t, "example.com", level))
			mx := r.simple(smtptest.MXOptions{RefusePostQuantum: true})
			a := r.send("b@example.com")
			want(t, a, delivered)
			if !a.TLS.Verified || len(a.Hosts) != 2 || mx.Connections() != 2 {
				t.Errorf("got %+v over %d connections", a.Hosts, mx.Connections())
			}
			if a.Hosts[0].Stage != delivery.StageSTARTTLS || a.Hosts[1].Result != "done" {
				t.Errorf("recorded %+v", a.Hosts)
			}
		})
	}
}

// TestHandshakeTimeout never steps down (B24).
func TestHandshakeTimeout(t *testing.T) {
	granted := policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: tls.VersionTLS12}
	r := newRig(t, granted, control(t, "example.com", policy.TLSPreferred))
	r.Timeouts.Handshake = 20 * time.Millisecond
	mx := r.simple(smtptest.MXOptions{StartTLS: smtptest.StartTLSStalled})
	want(t, r.send("b@example.com"), "deferred starttls 450 4.7.5")
	if mx.Connections() != 1 || len(r.OneHour.List()) != 0 {
		t.Errorf("%d connections, listed %v", mx.Connections(), r.OneHour.List())
	}
}

// TestCommonNameByPTR is the last part of B23: a certificate without alternative
// names may carry the peer's confirmed PTR name.
func TestCommonNameByPTR(t *testing.T) {
	for ptr, outcome := range map[string]string{
		"host.provider.test": delivered,
		"other.test":         "deferred verify 450 4.7.5",
		"":                   "deferred verify 450 4.7.5",
	} {
		r := newRig(t, control(t, "example.com", policy.TLSRequiredVerify))
		r.simple(certified(smtptest.Leaf{CommonName: "host.provider.test"})(r))
		if ptr != "" {
			name, err := mailaddr.ParseDomainName(ptr)
			if err != nil {
				t.Fatal(err)
			}
			r.resolver.ptr = append(r.resolver.ptr, name)
		}
		want(t, r.send("b@example.com"), outcome)
	}
}

// TestMinimumVersion shows that the destination's own minimum counts (B9, B21).
func TestMinimumVersion(t *testing.T) {
	c := control(t, "example.com", policy.TLSRequired)
	c.MinVersion = tls.VersionTLS13
	r := newRig(t, c)
	mx := r.simple(smtptest.MXOptions{MaxTLS: tls.VersionTLS12})
	want(t, r.send("b@example.com"), "deferred starttls 450 4.7.5")
	mx.Update(func(o *smtptest.MXOptions) { o.MaxTLS = 0 })
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.TLS.Version != "TLS1.3" || a.TLS.Cipher == "" {
		t.Errorf("recorded %+v", a.TLS)
	}
}

// TestServerName shows the name in the ClientHello: the host's A-label, and none
// for an address.
func TestServerName(t *testing.T) {
	r := newRig(t, control(t, "default", policy.TLSRequired), route(t, "addr.test", "192.0.2.9"))
	mx := smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "mx.xn--bcher-kva.test").TLS})
	r.domain("example.com", "mx.xn--bcher-kva.test")
	r.host("mx.xn--bcher-kva.test", "192.0.2.9", mx)
	want(t, r.send("b@example.com"), delivered)
	want(t, r.send("b@addr.test"), delivered)
	got := mx.Messages()
	if got[0].TLS.ServerName != "mx.xn--bcher-kva.test" || got[1].TLS.ServerName != "" {
		t.Errorf("server names %q and %q", got[0].TLS.ServerName, got[1].TLS.ServerName)
	}
}

// TestClientCertificate shows that ours is sent to a peer that asks.
func TestClientCertificate(t *testing.T) {
	r := newRig(t, control(t, "default", policy.TLSRequired))
	own := r.ca.IssueFor(t, "client.test").TLS
	r.ClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	mx := r.simple(smtptest.MXOptions{})
	want(t, r.send("b@example.com"), delivered)
	if peers := mx.Messages()[0].TLS.PeerCertificates; len(peers) != 1 || !peers[0].Equal(own.Leaf) {
		t.Errorf("the peer saw %d certificates", len(peers))
	}
}

// TestGreetingIsNoKeyword is B30.
func TestGreetingIsNoKeyword(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequired))
	mx := r.simple(smtptest.MXOptions{EHLOGreeting: "STARTTLS", StartTLS: smtptest.StartTLSHidden})
	want(t, r.send("b@example.com"), "deferred starttls 450 4.7.4")
	if got := said(mx, 1); slices.Contains(got, "STARTTLS") {
		t.Errorf("said %q", got)
	}
}

// TestSecondEHLO shows that nothing learnt in clear is used inside TLS (RFC 3207
// §4.2).
func TestSecondEHLO(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequired))
	mx := r.simple(smtptest.MXOptions{})
	want(t, r.send("b@example.com"), delivered)
	if got := said(mx, 1)[:5]; !slices.Equal(got, []string{"CONNECT", "EHLO", "STARTTLS", "EHLO", "MAIL"}) {
		t.Errorf("said %q", got)
	}
	if got := mx.Messages()[0].Hello; got != "client.test" {
		t.Errorf("hello from %q", got)
	}
}
