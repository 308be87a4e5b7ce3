package alertmail

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/policy"
	"postern/smtp/webhook"
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

// oneSecret is a store of secrets that has one.
type oneSecret string

func (s oneSecret) Put(context.Context, string) (string, error) {
	return "", errors.New("nothing is stored here")
}

func (s oneSecret) Get(context.Context, string) (string, error) { return string(s), nil }

func newHook(snapshot func() *config.Snapshot) *Webhook {
	caller := webhook.NewCaller(func() bool { return snapshot().Settings.Alerts.AllowPrivateWebhooks }, net.DefaultResolver)
	return NewWebhook(snapshot, oneSecret("a secret of at least 24 octets"), caller, time.Now)
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
	w := newHook(settingsOf(policy.AlertSettings{AllowPrivateWebhooks: true}))
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
	w := newHook(settingsOf(policy.AlertSettings{}))
	for _, target := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		err := w.Send(t.Context(), hook(target+"/secret"), testAlert())
		if _, isFinal := errors.AsType[final](err); !isFinal || !errors.Is(err, webhook.ErrPrivate) {
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
	w := newHook(settingsOf(policy.AlertSettings{AllowPrivateWebhooks: true}))
	if err := w.Send(t.Context(), hook(server.URL), testAlert()); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("%v", err)
	}
}

// A recipient with a secret gets signed calls; each try of one notification has the
// same id.
func TestWebhookSigns(t *testing.T) {
	var ids []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		mac := hmac.New(sha256.New, []byte("a secret of at least 24 octets"))
		mac.Write([]byte(id + "." + stamp + "." + string(body)))
		if got, want := r.Header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		ids = append(ids, id)
	}))
	defer server.Close()
	to := hook(server.URL)
	to.SecretID = "1"
	w := newHook(settingsOf(policy.AlertSettings{AllowPrivateWebhooks: true}))
	for range 2 {
		if err := w.Send(t.Context(), to, testAlert()); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 2 || ids[0] == "" || ids[0] != ids[1] {
		t.Errorf("%q", ids)
	}
}
