package alertmail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/policy"
)

// Bounds of a call.
const (
	webhookTimeout     = 10 * time.Second
	maxResponseHeader  = 64 << 10
	maxResponseContent = 4 << 10
)

// Webhook posts alerts as JSON. It is safe for concurrent use.
type Webhook struct {
	snapshot func() *config.Snapshot
	client   *http.Client
}

// NewWebhook returns a webhook that follows the settings of the newest
// snapshot.
func NewWebhook(snapshot func() *config.Snapshot) *Webhook {
	w := &Webhook{snapshot: snapshot}
	dialer := &net.Dialer{Timeout: webhookTimeout, ControlContext: w.checkAddress}
	w.client = &http.Client{
		Timeout: webhookTimeout,
		// No proxy: it would see to addresses that are not checked here. Nothing is
		// kept open, so that every call is checked.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: maxResponseHeader,
		},
		// A receiver that moves is configured anew; one that sends us elsewhere is
		// not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w
}

// checkAddress refuses to connect to where an administrator does not want us.
// It sees the very address that will be connected to, after any look-up: a name
// that changes its address between check and use gains nothing.
func (w *Webhook) checkAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !w.snapshot().Settings.Alerts.AllowPrivateWebhooks && !isPublic(to.Addr()) {
		return final{errPrivate}
	}
	return nil
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
	return w.post(ctx, to.URL, body)
}

// post sends the body. The URL never appears in errors: its path may be all that
// keeps strangers out.
func (w *Webhook) post(ctx context.Context, to string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return final{errors.New("the URL cannot be called")}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Postern")
	response, err := w.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return fmt.Errorf("the webhook cannot be called: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxResponseContent)) // what it says is of no interest
	return judge(response.StatusCode)
}

// judge tells success from failure, and failures that may pass from final ones.
func judge(status int) error {
	err := fmt.Errorf("the webhook answered with status %d", status)
	switch {
	case status/100 == 2:
		return nil
	case status/100 == 5, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return err
	}
	return final{err}
}
