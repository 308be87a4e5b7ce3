package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"postern/domain"
	"postern/domain/eventlog"
	"postern/domain/policy"
	"postern/domain/webhook"
	"postern/smtp/reply"
)

// maxErrorOctets bounds the text of an error that is kept.
const maxErrorOctets = 500

// message is what a webhook receives (Standard Webhooks: type, timestamp, data),
// and from which gateway.
type message struct {
	Type      eventlog.Type    `json:"type"`
	Timestamp time.Time        `json:"timestamp"`
	Number    int64            `json:"number"` // of the event; 0 in tests
	Gateway   string           `json:"gateway"`
	Subject   eventlog.Subject `json:"subject"`
	Data      json.RawMessage  `json:"data"`
}

// typeTest is the type of what [Dispatcher.Test] posts. It never is in the log.
const typeTest eventlog.Type = "webhook.test"

// idOf is the id by which a receiver knows an event again. The time is in it
// because a log that was restored gives numbers anew.
func idOf(e eventlog.Event) string {
	if e.Number == 0 {
		return "test_" + rand.Text()
	}
	return fmt.Sprintf("evt_%d_%x", e.Number, e.At.UnixMicro())
}

// try posts an event once. The error is what the attempt says of it, and is final
// where the receiver refused it.
func (d *Dispatcher) try(ctx context.Context, hook policy.Webhook, e eventlog.Event) (webhook.Attempt, error) {
	began := d.Now()
	status, err := d.post(ctx, hook, e)
	attempt := webhook.Attempt{At: began.UTC(), Status: status, Milliseconds: d.Now().Sub(began).Milliseconds()}
	result := "delivered"
	if err != nil {
		result, attempt.Error = "failed", reply.Quote(err.Error(), maxErrorOctets)
	}
	if ctx.Err() == nil {
		d.Count(result)
		d.Logger.Info("webhook called", slog.String("webhook", hook.Name), slog.Int64("event", e.Number),
			slog.Int("status", status), slog.String("error", attempt.Error))
	}
	return attempt, err
}

func (d *Dispatcher) post(ctx context.Context, hook policy.Webhook, e eventlog.Event) (status int, err error) {
	body, err := json.Marshal(message{
		Type: e.Type, Timestamp: e.At, Number: e.Number, Gateway: d.Snapshot().Settings.Outbound.HostName.String(),
		Subject: e.Subject, Data: e.Data,
	})
	if err != nil {
		return 0, err
	}
	secret, err := d.Secrets.Get(ctx, hook.SecretID)
	if err != nil {
		return 0, domain.Wrap(err, "open the secret of the webhook")
	}
	header, err := Sign(secret, idOf(e), d.Now(), body)
	if err != nil {
		return 0, err
	}
	return d.Poster.Post(ctx, hook.URL, header, body)
}

// deliveryOf returns the delivery of an event as far as it has come.
func (d *Dispatcher) deliveryOf(ctx context.Context, hook policy.Webhook, e eventlog.Event) (webhook.Delivery, error) {
	known, err := d.Store.Delivery(ctx, hook.Name, e.Number)
	if domain.KindOf(err) == domain.NotFound {
		return webhook.Delivery{Webhook: hook.Name, Event: e.Number, Type: string(e.Type)}, nil
	}
	return known, err
}

// Test posts an event to a webhook that is only for that, and returns what came of
// it. It works for a webhook that is switched off.
func (d *Dispatcher) Test(ctx context.Context, name string) (webhook.Attempt, error) {
	hook, err := d.hook(name)
	if err != nil {
		return webhook.Attempt{}, err
	}
	attempt, _ := d.try(ctx, hook, eventlog.New(typeTest, eventlog.Subject{Kind: "webhook", Key: name}, d.Now(), nil))
	return attempt, nil
}

// ReplayOne posts an event of the log to a webhook once more, at once and under the
// same id, and returns what became of its delivery. The others do not wait for it.
func (d *Dispatcher) ReplayOne(ctx context.Context, name string, number int64) (webhook.Delivery, error) {
	hook, err := d.hook(name)
	if err != nil {
		return webhook.Delivery{}, err
	}
	e, err := d.find(ctx, number)
	if err != nil {
		return webhook.Delivery{}, err
	}
	known, err := d.Store.Delivery(ctx, name, number)
	if err != nil {
		return known, domain.Wrap(err, "find the delivery")
	}
	attempt, failure := d.try(ctx, hook, e)
	outcome := known.Outcome
	if failure == nil {
		outcome = webhook.Delivered
	}
	known = known.With(outcome, attempt)
	return known, domain.Wrap(d.Store.Save(ctx, nil, &known), "store the delivery")
}

// find returns an event of the log.
func (d *Dispatcher) find(ctx context.Context, number int64) (eventlog.Event, error) {
	page, err := d.Log.Read(ctx, eventlog.Query{After: max(number, 1) - 1, Limit: 1})
	if _, ok := errors.AsType[*eventlog.GoneError](err); err != nil && !ok {
		return eventlog.Event{}, err
	}
	if err != nil || len(page.Events) == 0 || page.Events[0].Number != number {
		return eventlog.Event{}, domain.E(domain.NotFound, "event %d is not in the log", number)
	}
	return page.Events[0], nil
}
