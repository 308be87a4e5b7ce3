package policy

import "testing"

// Events travel in clear to this machine alone, however the scheme is written.
func TestWebhooksInClearLeadHere(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://hooks.example.com/x": true,
		"HTTPS://hooks.example.com/x": true,
		"http://localhost:8080/x":     true,
		"HTTP://[::1]:8080/x":         true,
		"http://hooks.example.com/x":  false,
		"HTTP://hooks.example.com/x":  false,
		"hTtp://127.0.0.1.example/x":  false,
		"http://192.0.2.1/x":          false,
	} {
		w := Webhook{Name: "a", URL: url, SecretID: "s"}
		if faults := w.Validate(); (len(faults) == 0) != ok {
			t.Errorf("%s: %v, want good: %t", url, faults, ok)
		}
	}
}
