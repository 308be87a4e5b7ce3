package policy

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"strings"

	"postern/domain"
)

// Webhook is an address to which events are posted, signed.
type Webhook struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Types are the event types that it gets, or all of a part as "certificate.*";
	// none stands for all.
	Types []string `json:"types,omitempty"`
	// SecretID refers to the sealed secret that signs what is posted.
	SecretID    string `json:"secret_id"`
	Enabled     bool   `json:"enabled"`
	Description string `json:"description,omitempty"`
}

// maxWebhookTypes bounds the types of one webhook.
const maxWebhookTypes = 50

// Validate reports every broken rule of the webhook by itself.
func (w Webhook) Validate() (f domain.Faults) {
	checkName(&f, "/name", w.Name)
	checkWebhookURL(&f, "/url", w.URL)
	if inClear(w.URL) && !leadsHere(w.URL) {
		f.Add("/url", "must begin with https://: events would travel in clear, and only to this machine they may")
	}
	if len(w.Types) > maxWebhookTypes {
		f.Add("/types", "may have %d entries", maxWebhookTypes)
	}
	if w.SecretID == "" {
		f.Add("/secret", "is required: what is posted is signed by it")
	}
	checkText(&f, "/description", w.Description)
	return f
}

// inClear reports whether what is sent to the URL travels without TLS. RFC 3986
// §3.1: the case of a scheme does not count.
func inClear(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "http"
}

// leadsHere reports whether the host of the URL is this machine by its very name.
func leadsHere(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// The form of secrets in Standard Webhooks, and the octets that one may have.
const (
	webhookSecretPrefix = "whsec_"
	minWebhookSecret    = 24
	maxWebhookSecret    = 64
)

// WebhookKey returns the key of a secret as Standard Webhooks writes it, "whsec_"
// and base64; any other text is the key itself. It must have 24 to 64 octets.
func WebhookKey(secret string) ([]byte, error) {
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, webhookSecretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, domain.E(domain.Invalid, "must be base64 after %s", webhookSecretPrefix)
		}
	}
	if len(key) < minWebhookSecret || len(key) > maxWebhookSecret {
		return nil, domain.E(domain.Invalid, "must have %d to %d octets", minWebhookSecret, maxWebhookSecret)
	}
	return key, nil
}
