package persistence

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/eventlog"
	"postern/domain/webhook"
)

func TestWebhookStatesAndDeliveriesAreKept(t *testing.T) {
	d := openTest(t, t.TempDir())
	store := d.Webhooks()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	if _, err := store.State(t.Context(), "a"); domain.KindOf(err) != domain.NotFound {
		t.Error(err)
	}
	state := webhook.State{Webhook: "a", Position: 7, Failures: 2, FailingSince: &at, NextTry: new(at.Add(time.Minute))}
	delivery := webhook.Delivery{Webhook: "a", Event: 8, Type: "job.finished"}.With(webhook.Pending, webhook.Attempt{At: at, Status: 503, Error: "no", Milliseconds: 3})
	if err := store.Save(t.Context(), &state, &delivery); err != nil {
		t.Fatal(err)
	}
	delivery = delivery.With(webhook.Delivered, webhook.Attempt{At: at, Status: 200})
	if err := store.Save(t.Context(), nil, &delivery); err != nil {
		t.Fatal(err)
	}
	gotState, err := store.State(t.Context(), "a")
	if diff := cmp.Diff(state, gotState); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, err := store.Delivery(t.Context(), "a", 8)
	if diff := cmp.Diff(delivery, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if _, err := store.Delivery(t.Context(), "a", 9); domain.KindOf(err) != domain.NotFound {
		t.Error(err)
	}
}

func TestWebhookDeliveriesAreListedAndForgotten(t *testing.T) {
	d := openTest(t, t.TempDir())
	store := d.Webhooks()
	var events []eventlog.Event
	for n := int64(1); n <= 4; n++ {
		events = append(events, jobEvent("x", time.Now()))
		for _, name := range []string{"a", "b"} {
			state := webhook.State{Webhook: name, Position: n}
			delivery := webhook.Delivery{Webhook: name, Event: n}.With(webhook.Delivered, webhook.Attempt{At: time.Now()})
			if n == 3 {
				delivery.Outcome = webhook.Failed
			}
			if err := store.Save(t.Context(), &state, &delivery); err != nil {
				t.Fatal(err)
			}
		}
	}
	list := func(q webhook.Query) (numbers []int64) {
		t.Helper()
		found, err := store.Deliveries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			numbers = append(numbers, d.Event)
		}
		return numbers
	}
	wantNumbers := func(q webhook.Query, want ...int64) {
		t.Helper()
		if diff := cmp.Diff(want, list(q)); diff != "" {
			t.Error(diff)
		}
	}
	wantNumbers(webhook.Query{Webhook: "a", Limit: 2}, 4, 3)
	wantNumbers(webhook.Query{Webhook: "a", Limit: 9, Before: 3}, 2, 1)
	wantNumbers(webhook.Query{Webhook: "a", Limit: 9, Outcome: webhook.Failed}, 3)

	if err := d.Events().Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Events().Prune(t.Context(), time.UnixMicro(0), 2); err != nil {
		t.Fatal(err)
	}
	if err := store.Keep(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	wantNumbers(webhook.Query{Webhook: "a", Limit: 9}, 4, 3)
	wantNumbers(webhook.Query{Webhook: "b", Limit: 9})
	if _, err := store.State(t.Context(), "b"); domain.KindOf(err) != domain.NotFound {
		t.Error(err)
	}
	if err := store.Keep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantNumbers(webhook.Query{Webhook: "a", Limit: 9})
}

// A webhook begins behind the revision that switches it on, and no later one moves
// it.
func TestAWebhookBeginsAtItsCommit(t *testing.T) {
	d := openTest(t, t.TempDir())
	configuration, store := d.Configuration(), d.Webhooks()
	commit := func(number int64, documents map[string]string) int64 {
		t.Helper()
		var items []config.Item
		for name, document := range documents {
			items = append(items, config.Item{Kind: config.KindWebhook, Key: name, Document: json.RawMessage(document), Revision: number})
		}
		if err := configuration.Commit(t.Context(), number-1, testRevision(number), items); err != nil {
			t.Fatal(err)
		}
		newest, err := d.Events().Newest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return newest
	}
	wantPosition := func(name string, want int64) {
		t.Helper()
		if s, err := store.State(t.Context(), name); err != nil || s.Position != want {
			t.Errorf("%s: %+v %v, want position %d", name, s, err, want)
		}
	}
	made := commit(1, map[string]string{"on": `{"name":"on","enabled":true}`, "off": `{"name":"off"}`})
	wantPosition("on", made)
	if _, err := store.State(t.Context(), "off"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("a webhook that is switched off has begun: %v", err)
	}
	switched := commit(2, map[string]string{"on": `{"name":"on","enabled":true,"description":"d"}`, "off": `{"name":"off","enabled":true}`})
	wantPosition("on", made)
	wantPosition("off", switched)
	if switched <= made {
		t.Errorf("positions %d and %d", made, switched)
	}
	// Who forgets by an older configuration does not forget it.
	if err := store.Keep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantPosition("off", switched)
}
