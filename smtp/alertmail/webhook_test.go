package alertmail

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/policy"
)

func settingsOf(s policy.AlertSettings) func() *config.Snapshot {
	snapshot := &config.Snapshot{Settings: policy.Settings{
		TLS:      policy.TLSSettings{Enabled: true, SendSTARTTLS: true, MinVersion: 0x0303},
		Outbound: policy.OutboundSettings{HostName: "mail.example.com"}, Alerts: s,
	}}
	return func() *config.Snapshot { return snapshot }
}

// testAlert is an alert with foreign text in it.
func testAlert() alert.Alert {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	return alert.Alert{
		ID: "0192", Type: policy.AlertSystem, Severity: policy.SeverityWarning, Kind: alert.TLSFailed, About: "example.com",
		Subject: "TLS failed to example.com, which requires it", Detail: "the peer said: grüße = \"no\"\n.",
		Count: 3, FirstSeen: at, LastSeen: at.Add(time.Hour), State: alert.Open,
	}
}

func hook(url string) policy.AlertRecipient {
	return policy.AlertRecipient{Name: "hook", Channel: policy.ChannelWebhook, URL: url}
}

func TestWebhookPostsJSON(t *testing.T) {
	var got map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.Header, err)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	w := NewWebhook(settingsOf(policy.AlertSettings{AllowPrivateWebhooks: true}))
	if err := w.Send(t.Context(), hook(server.URL+"/in"), testAlert()); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"event": "alert", "gateway": "mail.example.com",
		"alert": map[string]any{
			"id": "0192", "type": "system", "severity": "warning", "kind": "tls_failed", "about": "example.com",
			"key": "tls_failed:example.com", "subject": "TLS failed to example.com, which requires it",
			"detail": "the peer said: grüße = \"no\"\n.", "count": 3.0, "state": "open",
			"first_seen": "2026-11-25T12:00:00Z", "last_seen": "2026-11-25T13:00:00Z",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The check is on the address that a name leads to, not on the name.
func TestWebhookRefusesPrivateTargets(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	w := NewWebhook(settingsOf(policy.AlertSettings{}))
	for _, target := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		err := w.Send(t.Context(), hook(target+"/secret"), testAlert())
		if _, isFinal := errors.AsType[final](err); !isFinal || !errors.Is(err, errPrivate) {
			t.Errorf("%s: %v", target, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the URL: %v", err)
		}
	}
	if called {
		t.Error("a private target was called")
	}
}

func TestWebhookIsNotSentElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("redirect followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	w := NewWebhook(settingsOf(policy.AlertSettings{AllowPrivateWebhooks: true}))
	if err := w.Send(t.Context(), hook(server.URL), testAlert()); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("%v", err)
	}
}

func TestWebhookAnswers(t *testing.T) {
	for status, want := range map[int]string{
		200: "ok", 204: "ok", 302: "final", 400: "final", 401: "final", 404: "final", 410: "final",
		408: "again", 429: "again", 500: "again", 503: "again",
	} {
		err := judge(status)
		_, isFinal := errors.AsType[final](err)
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
		"fd00:ec2::254": false, "ff02::1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001::1": false, "fec0::1": false,
		"2606:4700::1111": true, "::ffff:8.8.8.8": true,
	} {
		if got := isPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
