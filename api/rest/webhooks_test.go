package rest

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/eventlog"
	"postern/domain/policy"
	"postern/domain/webhook"
)

// oneWebhook is a dispatcher that knows the webhook "a", whose deliveries of events
// 3 to 1 all failed once.
type oneWebhook struct{}

func (oneWebhook) known(name string) error {
	if name != "a" {
		return domain.E(domain.NotFound, "there is no webhook %q", name)
	}
	return nil
}

func (o oneWebhook) State(_ context.Context, name string) (webhook.State, error) {
	since := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	return webhook.State{Webhook: name, Position: 3, Failures: 1, FailingSince: &since, NextTry: &since}, o.known(name)
}

func (o oneWebhook) delivery(event int64) webhook.Delivery {
	return webhook.Delivery{Webhook: "a", Event: event, Type: "job.finished"}.With(webhook.Failed, webhook.Attempt{At: time.Now(), Status: 400, Error: "no"})
}

func (o oneWebhook) Deliveries(_ context.Context, q webhook.Query) (list []webhook.Delivery, _ error) {
	for event := int64(3); event > 0 && q.Outcome != webhook.Delivered; event-- {
		if (q.Before == 0 || event < q.Before) && len(list) < q.Limit {
			list = append(list, o.delivery(event))
		}
	}
	return list, o.known(q.Webhook)
}

func (o oneWebhook) Test(_ context.Context, name string) (webhook.Attempt, error) {
	return webhook.Attempt{At: time.Now(), Status: 204}, o.known(name)
}

func (o oneWebhook) Replay(_ context.Context, name string, after int64) (webhook.State, error) {
	if after > 3 {
		return webhook.State{}, &eventlog.GoneError{After: after, Oldest: 1, Newest: 3}
	}
	return webhook.State{Webhook: name, Position: after}, o.known(name)
}

func (o oneWebhook) ReplayOne(_ context.Context, name string, event int64) (webhook.Delivery, error) {
	return o.delivery(event).With(webhook.Delivered, webhook.Attempt{At: time.Now(), Status: 200}), o.known(name)
}

const goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The secret goes in and never out; a write without it keeps it.
func TestWebhookSecretsAreWriteOnly(t *testing.T) {
	f := newFixture(t)
	for one, body := range map[string]string{
		"/api/v1/webhooks/a":         `{"url":"https://hooks.example.com/x","types":["job.*"],"secret":"` + goodSecret + `"}`,
		"/api/v1/alert-recipients/a": `{"kind":"webhook","url":"https://hooks.example.com/x","secret":"` + goodSecret + `"}`,
	} {
		made := f.call("PUT", one, body).want(201)
		patched := f.call("PATCH", one, `{"description":"x"}`).want(200)
		shown := f.call("GET", one, "").want(200)
		revision := f.call("GET", "/api/v1/revisions/2/diff", "")
		for _, a := range []answer{made, patched, shown, revision} {
			if strings.Contains(string(a.body), "whsec_") || strings.Contains(string(a.body), `"secret":`) {
				t.Errorf("the secret is shown: %s", a.body)
			}
		}
		if !strings.Contains(string(shown.body), `"secret_set":true`) {
			t.Errorf("%s", shown.body)
		}
	}
	w, _ := f.config.Snapshot().Webhook("a")
	if got := f.secrets.value(t, w.SecretID); got != goodSecret {
		t.Errorf("stored: %q", got)
	}
	f.call("PATCH", "/api/v1/alert-recipients/a", `{"secret":""}`).want(200)
	if r := f.config.Snapshot().AlertRecipients()[0]; r.SecretID != "" {
		t.Errorf("%+v", r)
	}
}

func TestWebhookFaults(t *testing.T) {
	f := newFixture(t)
	for body, pointers := range map[string]string{
		`{}`: "/url /secret",
		`{"url":"http://hooks.example.com/","secret":"` + goodSecret + `"}`:                              "/url",
		`{"url":"https://u:p@hooks.example.com/","types":["odd","job.*"],"secret":"` + goodSecret + `"}`: "/url /types/0",
		`{"url":"https://hooks.example.com/","secret":"short"}`:                                          "/secret",
		`{"url":"ftp://hooks.example.com/","secret":"whsec_%%%"}`:                                        "/secret /url",
	} {
		var at []string
		for _, fault := range decoded[Problem](f.call("PUT", "/api/v1/webhooks/b", body).want(422)).Errors {
			at = append(at, fault.Pointer)
		}
		if got := strings.Join(at, " "); got != pointers {
			t.Errorf("%s: %s, want %s", body, got, pointers)
		}
	}
	for _, url := range []string{"http://127.0.0.1:8080/x", "http://[::1]/", "http://localhost/"} {
		f.call("PUT", "/api/v1/webhooks/here", `{"url":"`+url+`","secret":"`+goodSecret+`"}`)
		if w, ok := f.config.Snapshot().Webhook("here"); !ok || w.URL != url {
			t.Errorf("%s: %+v", url, w)
		}
	}
	var w policy.Webhook
	if len(w.Validate()) == 0 {
		t.Error("nothing is a webhook")
	}
}

func TestWebhookDeliveriesAndReplay(t *testing.T) {
	f := newFixture(t)
	const one = "/api/v1/webhooks/a"
	page := decoded[Page[WebhookDelivery]](f.call("GET", one+"/deliveries?limit=2", "").want(200))
	if len(page.Items) != 2 || page.Items[0].ID != "3" || page.Items[0].Attempts[0].Delivered {
		t.Errorf("%+v", page)
	}
	rest := decoded[Page[WebhookDelivery]](f.call("GET", one+"/deliveries?limit=2&cursor="+page.NextCursor, "").want(200))
	if len(rest.Items) != 1 || rest.Items[0].ID != "1" || rest.NextCursor != "" {
		t.Errorf("%+v", rest)
	}
	if s := decoded[WebhookState](f.call("GET", one+"/state", "").want(200)); s.Failures != 1 || s.NextTry == nil {
		t.Errorf("%+v", s)
	}
	if d := decoded[WebhookDelivery](f.call("POST", one+"/deliveries/2/replay", "").want(200)); d.State != webhook.Delivered || len(d.Attempts) != 2 {
		t.Errorf("%+v", d)
	}
	if a := decoded[WebhookAttempt](f.call("POST", one+"/test", "").want(200)); !a.Delivered {
		t.Errorf("%+v", a)
	}
	if s := decoded[WebhookState](f.call("POST", one+"/replay?after=1", "").want(200)); s.Position != 1 {
		t.Errorf("%+v", s)
	}
	for path, status := range map[string]int{
		"POST " + one + "/replay": 400, "POST " + one + "/replay?after=x": 400, "POST " + one + "/replay?after=4": 410,
		"POST " + one + "/deliveries/x/replay": 404, "GET " + one + "/deliveries?state=odd": 400,
		"GET /api/v1/webhooks/b/state": 404, "GET /api/v1/webhooks/b/deliveries": 404, "POST /api/v1/webhooks/b/test": 404,
	} {
		method, path, _ := strings.Cut(path, " ")
		f.call(method, path, "").want(status)
	}
}
