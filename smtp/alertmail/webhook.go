package alertmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/policy"
	"postern/smtp/webhook"
)

// Webhook posts alerts as JSON. It is safe for concurrent use.
type Webhook struct {
	snapshot func() *config.Snapshot
	secrets  config.Secrets
	now      func() time.Time
	caller   *webhook.Caller
}

// NewWebhook returns a webhook that follows the settings of the newest
// snapshot.
func NewWebhook(snapshot func() *config.Snapshot, secrets config.Secrets, caller *webhook.Caller, now func() time.Time) *Webhook {
	return &Webhook{snapshot: snapshot, secrets: secrets, caller: caller, now: now}
}

// call is what a webhook receives.
type call struct {
	Event   string    `json:"event"` // "alert"
	Gateway string    `json:"gateway"`
	Alert   callAlert `json:"alert"`
}

// callAlert has the names of the REST resource.
type callAlert struct {
	ID        string               `json:"id"`
	Type      policy.AlertType     `json:"type"`
	Severity  policy.AlertSeverity `json:"severity"`
	Kind      alert.Kind           `json:"kind"`
	About     string               `json:"about"`
	Key       string               `json:"key"`
	Subject   string               `json:"subject"`
	Detail    string               `json:"detail"`
	Count     int64                `json:"count"`
	FirstSeen time.Time            `json:"first_seen"`
	LastSeen  time.Time            `json:"last_seen"`
	State     alert.State          `json:"state"`
}

// Send makes one try to post the alert to the recipient.
func (w *Webhook) Send(ctx context.Context, to policy.AlertRecipient, a alert.Alert) error {
	body, err := json.Marshal(call{
		Event: "alert", Gateway: w.snapshot().Settings.Outbound.HostName.String(),
		Alert: callAlert{
			ID: a.ID, Type: a.Type, Severity: a.Severity, Kind: a.Kind, About: a.About, Key: a.Key(),
			Subject: a.Subject, Detail: a.Detail, Count: a.Count,
			FirstSeen: a.FirstSeen.UTC(), LastSeen: a.LastSeen.UTC(), State: a.State,
		},
	})
	if err != nil {
		return final{err}
	}
	header, err := w.sign(ctx, to, a, body)
	if err == nil {
		_, err = w.caller.Post(ctx, to.URL, header, body)
	}
	if f, ok := errors.AsType[webhook.Final](err); ok {
		return final{f}
	}
	return err
}

// sign returns the headers that prove the call to be ours, where the recipient has
// a secret. The id changes with what is told of the alert.
func (w *Webhook) sign(ctx context.Context, to policy.AlertRecipient, a alert.Alert, body []byte) (http.Header, error) {
	if to.SecretID == "" {
		return nil, nil
	}
	secret, err := w.secrets.Get(ctx, to.SecretID)
	if err != nil {
		return nil, domain.Wrap(err, "open the secret of the webhook")
	}
	return webhook.Sign(secret, fmt.Sprintf("alert_%s_%d", a.ID, a.Notified), w.now(), body)
}
