package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/api/rest/resttest"
	"postern/domain/config"
	"postern/smtp/smtptest"
)

// gateway is the very App of `postern serve`, on ports that the system chooses.
type gateway struct {
	*App
	t      *testing.T
	client *http.Client
	token  string
}

// newGateway starts a gateway on the data directory; an empty one is fresh.
func newGateway(t *testing.T, dir string) *gateway {
	t.Helper()
	app, err := New(t.Context(), Options{
		DataDir: dir, API: "127.0.0.1:0", Grace: 10 * time.Second,
		Seed:   config.Seed{HostName: "mail.example.com"},
		Logger: slog.New(slog.NewJSONHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	app.Start(context.WithoutCancel(t.Context()))
	g := &gateway{App: app, t: t, token: app.AdminToken, client: &http.Client{
		Transport: resttest.Transport(t, &http.Transport{}), Timeout: smtptest.Timeout,
	}}
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) stop() {
	g.client.CloseIdleConnections()
	if err := g.Stop(context.Background()); err != nil {
		g.t.Errorf("stop: %v", err)
	}
}

// testLog shows warnings and errors of the gateway with the test's own output.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("gateway: %s", bytes.TrimSpace(p))
	return len(p), nil
}

// reply is an answer of the API.
type apiReply struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request whose reply is held against the OpenAPI document.
func (g *gateway) call(method, path, body string) apiReply {
	g.t.Helper()
	request, err := http.NewRequest(method, "http://"+g.APIAddr()+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := g.client.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return apiReply{response.StatusCode, response.Header, all}
}

// must is call for requests that have to succeed.
func (g *gateway) must(method, path, body string) apiReply {
	g.t.Helper()
	r := g.call(method, path, body)
	if r.status/100 != 2 {
		g.t.Fatalf("%s %s %s: %d %s", method, path, body, r.status, r.body)
	}
	return r
}

// decode reads the body of a reply.
func decode[T any](t *testing.T, r apiReply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return v
}

// smtpAddr is where a listener listens.
func (g *gateway) smtpAddr(name string) string {
	g.t.Helper()
	for _, l := range g.Listeners() {
		if l.Name == name {
			return l.Address
		}
	}
	g.t.Fatalf("no listener %q", name)
	return ""
}

// routeTo sends the mail of a domain, or "ALL", to a mail exchanger.
func (g *gateway) routeTo(domain string, mx *smtptest.MX) {
	g.t.Helper()
	addr := mx.AddrPort()
	g.must("PUT", "/routes/"+domain+"?wait=5s", fmt.Sprintf(`{"next_hops":[{"host":%q,"port":%d}]}`, addr.Addr(), addr.Port()))
}

// switchOnTLS turns the master switch on and offers STARTTLS on both listeners.
func (g *gateway) switchOnTLS() {
	g.t.Helper()
	g.must("PATCH", "/settings/tls", `{"enabled":true}`)
	for _, l := range []string{"inbound", "outbound"} {
		g.must("PATCH", "/listeners/"+l+"?wait=5s", `{"default_policy_parameters":{"tls":"preferred"}}`)
	}
}

// session opens a session on a listener and says EHLO.
func (g *gateway) session(listener string) *smtptest.Client {
	g.t.Helper()
	c := smtptest.Dial(g.t, g.smtpAddr(listener))
	c.Expect(220)
	c.Cmd(250, "EHLO client.test")
	return c
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
