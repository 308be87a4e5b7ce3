package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/smtp/smtptest"
)

func TestWebhookAnswers(t *testing.T) {
	for status, want := range map[int]string{
		200: "ok", 204: "ok", 302: "final", 400: "final", 401: "final", 404: "final", 410: "final",
		408: "again", 429: "again", 500: "again", 503: "again",
	} {
		err := judge(status)
		_, isFinal := errors.AsType[Final](err)
		got := "again"
		switch {
		case err == nil:
			got = "ok"
		case isFinal:
			got = "final"
		}
		if got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"192.0.0.8": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false,
		"127.0.0.1": false, "127.9.9.9": false, "169.254.169.254": false, "100.64.0.1": false, "198.18.0.1": false,
		"224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false,
		"8.8.8.8": true, "100.128.0.1": true, "172.32.0.1": true,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "fe80::1": false, "fc00::1": false,
		"fd00:ec2::254": false, "ff02::1": false, "64:ff9b::7f00:1": false, "::127.0.0.1": false, "::10.0.0.1": false, "::ffff:0:127.0.0.1": false, "2002:7f00:1::": false, "2001::1": false, "fec0::1": false,
		"2606:4700::1111": true, "::ffff:8.8.8.8": true,
	} {
		if got := isPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A name that answers with a public address, and with a loopback one when it is
// looked up again, gains nothing: the address that is connected to is judged.
func TestRebindingGainsNothing(t *testing.T) {
	called := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called <- struct{}{} }))
	defer server.Close()
	dns := smtptest.NewDNS(t)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, dns.Addr())
	}}
	c := NewCaller(func() bool { return false }, resolver)
	const name = "hooks.rebind.test"
	dns.AddA(name, "192.0.2.1") // it looks good when it is configured
	if addrs, err := resolver.LookupHost(t.Context(), name+"."); err != nil || addrs[0] != "192.0.2.1" {
		t.Fatal(addrs, err)
	}
	dns.Remove(name, "A")
	dns.AddA(name, "127.0.0.1")
	_, err := c.Post(t.Context(), fmt.Sprintf("http://%s.:%d/", name, port), nil, []byte("{}"))
	if !errors.Is(err, ErrPrivate) {
		t.Errorf("%v", err)
	}
	if len(called) > 0 {
		t.Error("it was called")
	}
}

// An independent implementation of the receiving side of Standard Webhooks.
func TestSignaturesAreThoseOfStandardWebhooks(t *testing.T) {
	// The example of the specification.
	header, err := Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := header.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %q", got)
	}
	if header.Get("webhook-timestamp") != "1614265330" || header.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" {
		t.Errorf("%v", header)
	}
	for _, bad := range []string{"", "short", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", strings.Repeat("x", 65)} {
		if _, err := Sign(bad, "1", time.Now(), nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
