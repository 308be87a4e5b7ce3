package rest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// memoryQueue is a queue and its history in memory, with five messages.
type memoryQueue struct {
	messages []*delivery.Message
	attempts []delivery.RecordedAttempt
	finished []delivery.FinishedMessage
	did      []string
	filter   delivery.MessageFilter
}

func newQueue() *memoryQueue {
	q := &memoryQueue{}
	for i := range 5 {
		q.messages = append(q.messages, newMessage(i))
	}
	q.messages[1].HeldReason = delivery.HeldByFilters([]string{"invoices"})
	q.attempts = []delivery.RecordedAttempt{{ID: new(delivery.IDSource).Next(noon, 100), Attempt: delivery.Attempt{
		Message: q.messages[0].ID, At: noon, Duration: 1500 * time.Millisecond, Revision: 7, Host: "mx.example.net", Address: "192.0.2.1:25",
		Decision: policy.Decision{Level: policy.TLSRequired, Domain: "example.net"},
		Hosts: []delivery.HostTry{{
			Host: "mx.example.net", Address: "192.0.2.1:25", Stage: delivery.StageSTARTTLS,
			Level: policy.TLSRequired, Result: "454 4.7.0 no",
		}},
		Results: []delivery.Result{{Recipient: 0, Outcome: deferred}},
	}}}
	done := newMessage(9)
	done.Recipients[0].State = delivery.RecipientDelivered
	q.finished = []delivery.FinishedMessage{{Message: done, FinishedAt: noon}}
	return q
}

var deferred = delivery.Outcome{Status: delivery.Deferred, Stage: delivery.StageSTARTTLS, Code: 454, Enhanced: "4.7.4", Text: "no", Remote: true}

func newMessage(n int) *delivery.Message {
	return &delivery.Message{
		Envelope: delivery.Envelope{
			ID: new(delivery.IDSource).Next(noon, uint32(n)), Sender: mailaddr.Mailbox{Local: "anna", Domain: "example.com"},
			ReceivedAt: noon, Listener: "outbound", ClientAddr: "127.0.0.1", Size: 42, Revision: 7, Held: n == 1,
		},
		Recipients: []delivery.Recipient{{
			Address:  mailaddr.Mailbox{Local: fmt.Sprintf("ben%d", n), Domain: "example.net"},
			Attempts: 1, NextAttempt: noon.Add(time.Minute), Last: deferred,
		}},
	}
}

func (q *memoryQueue) Messages(_ context.Context, f delivery.MessageFilter, above delivery.MessageID, limit int) ([]*delivery.Message, error) {
	q.filter = f
	i := slices.IndexFunc(q.messages, func(m *delivery.Message) bool { return m.ID > above })
	if i < 0 {
		return nil, nil
	}
	return q.messages[i:min(i+limit, len(q.messages))], nil
}

func (q *memoryQueue) Message(_ context.Context, id delivery.MessageID) (*delivery.Message, error) {
	for _, m := range q.messages {
		if m.ID == id {
			return m, nil
		}
	}
	for _, m := range q.finished {
		if m.ID == id {
			return m.Message, nil
		}
	}
	return nil, domain.E(domain.NotFound, "there is no message %s", id)
}

func (q *memoryQueue) Attempts(_ context.Context, id, above delivery.MessageID, limit int) (list []delivery.RecordedAttempt, _ error) {
	for _, r := range q.attempts {
		if r.Message == id && r.ID > above && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

func (q *memoryQueue) LatestAttempts(_ context.Context, id delivery.MessageID, limit int) (list []delivery.RecordedAttempt, _ error) {
	for _, r := range slices.Backward(q.attempts) {
		if r.Message == id && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

func (q *memoryQueue) Deliveries(_ context.Context, f delivery.DeliveryFilter, from delivery.MessageID, limit int) (list []delivery.FinishedMessage, _ error) {
	for _, m := range inOrder(q.finished, f.OldestFirst) {
		if (from == 0 || (m.ID > from) == f.OldestFirst && m.ID != from) && len(list) < limit {
			list = append(list, m)
		}
	}
	return list, nil
}

// inOrder turns a list that has the newest first around, where it is asked for.
func inOrder[T any](newestFirst []T, oldestFirst bool) []T {
	list := slices.Clone(newestFirst)
	if oldestFirst {
		slices.Reverse(list)
	}
	return list
}

func (q *memoryQueue) Act(_ context.Context, by string, action delivery.Action, ids ...delivery.MessageID) (int, error) {
	for _, id := range ids {
		q.did = append(q.did, string(action)+" "+id.String()+" by "+by)
	}
	return len(ids), nil
}

func (q *memoryQueue) ActOnAll(_ context.Context, by string, action delivery.Action, f delivery.MessageFilter) (int, error) {
	q.did, q.filter = append(q.did, string(action)+" all by "+by), f
	return len(q.messages), nil
}

// messageView is a message as a client reads it.
type messageView struct {
	ID         string `json:"id"`
	State      string `json:"state"`
	FinishedAt string `json:"finished_at"`
	Recipients []struct {
		Address       string         `json:"address"`
		NextAttemptAt string         `json:"next_attempt_at"`
		LastOutcome   map[string]any `json:"last_outcome"`
	} `json:"recipients"`
}

// attemptView is an attempt as a client reads it.
type attemptView struct {
	Duration int            `json:"duration_milliseconds"`
	Decision map[string]any `json:"decision"`
}

func TestQueueListing(t *testing.T) {
	f := newFixture(t)
	page := decoded[Page[messageView]](f.call("GET", "/api/v1/messages?limit=3", "").want(http.StatusOK))
	if len(page.Items) != 3 || page.Items[1].State != "held" || page.Items[0].State != "queued" || page.NextCursor == "" {
		t.Fatalf("%+v", page)
	}
	first := page.Items[0]
	if r := first.Recipients[0]; r.Address != "ben0@example.net" || r.LastOutcome["enhanced"] != "4.7.4" || r.NextAttemptAt == "" {
		t.Errorf("%+v", r)
	}
	rest := decoded[Page[messageView]](f.call("GET", "/api/v1/messages?limit=3&cursor="+page.NextCursor, "").want(http.StatusOK))
	if len(rest.Items) != 2 || rest.NextCursor != "" {
		t.Errorf("%+v", rest)
	}
	one := decoded[messageView](f.call("GET", "/api/v1/messages/"+strings.ToLower(first.ID), "").want(http.StatusOK))
	if one.ID != first.ID {
		t.Errorf("id %s", one.ID)
	}
	for _, id := range []string{"x", "0000000000000", "%2F"} {
		f.call("GET", "/api/v1/messages/"+id, "").want(http.StatusNotFound)
		f.call("GET", "/api/v1/messages/"+id+"/attempts", "").want(http.StatusNotFound)
		f.call("DELETE", "/api/v1/messages/"+id, "").want(http.StatusNotFound)
	}
}

func TestQueueFilters(t *testing.T) {
	f := newFixture(t)
	f.call("GET", "/api/v1/messages?state=held&recipient_domain=Example.NET&sender=%3C%3E&received_after=2026-11-25T08:00:00Z", "").want(http.StatusOK)
	got := f.queue.filter
	if got.State != delivery.StateHeld || got.RecipientDomain != "example.net" || got.Sender == nil || !got.Sender.IsNull() || got.ReceivedAfter.Hour() != 8 {
		t.Errorf("%+v", got)
	}
	for _, query := range []string{"state=lost", "recipient_domain=..", "sender=@", "received_after=noon", "received_before=1", "recipient=x"} {
		f.call("GET", "/api/v1/messages?"+query, "").want(http.StatusBadRequest)
	}
}

// A held message says what holds it, while it is held.
func TestHeldReason(t *testing.T) {
	f := newFixture(t)
	path := "/api/v1/messages/" + f.queue.messages[1].ID.String()
	if got := decoded[Message](f.call("GET", path, "").want(http.StatusOK)).HeldReason; got != `content filter "invoices"` {
		t.Errorf("held by %s", got)
	}
	f.queue.messages[1].Recipients[0].State = delivery.RecipientDeleted
	if got := decoded[Message](f.call("GET", path, "").want(http.StatusOK)).HeldReason; got != "" {
		t.Errorf("a deleted message is held by %s", got)
	}
}

func TestMessageActions(t *testing.T) {
	f := newFixture(t)
	id := f.queue.messages[0].ID.String()
	for _, action := range []string{"retry", "hold", "release"} {
		f.callAs("operator", "POST", "/api/v1/messages/"+id+"/"+action, "").want(http.StatusNoContent)
	}
	f.callAs("operator", "DELETE", "/api/v1/messages/"+id, "").want(http.StatusNoContent)
	const by = " by test-operator"
	want := []string{"retry " + id + by, "hold " + id + by, "release " + id + by, "delete " + id + by}
	if !slices.Equal(f.queue.did, want) {
		t.Errorf("did %q", f.queue.did)
	}
	finished := f.queue.finished[0].ID.String()
	f.call("POST", "/api/v1/messages/"+finished+"/retry", "").want(http.StatusConflict)
	f.call("POST", "/api/v1/messages/"+finished+"/nothing", "").want(http.StatusNotFound)
	if len(f.queue.did) != len(want) {
		t.Errorf("a finished message was touched: %q", f.queue.did)
	}
}

func TestActionOnAll(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/messages/actions"
	a := f.call("POST", path, `{"action":"hold","filter":{"recipient_domain":"EXAMPLE.net","sender":""}}`).want(http.StatusOK)
	if decoded[MessageActionResult](a).Changed != 5 || f.queue.filter.RecipientDomain != "example.net" || !f.queue.filter.Sender.IsNull() {
		t.Errorf("%s %+v", a.body, f.queue.filter)
	}
	a = f.call("POST", path, `{"action":"burn","filter":{"state":"lost","sender":"@"}}`).want(http.StatusUnprocessableEntity)
	if n := len(a.faults()); n != 3 {
		t.Errorf("%d faults: %q", n, a.faults())
	}
	// Without a filter nothing is done: that could be a slip that empties the queue.
	f.call("POST", path, `{"action":"delete"}`).want(http.StatusUnprocessableEntity)
	f.call("POST", path, `{"action":"delete","filter":null}`).want(http.StatusUnprocessableEntity)
	if !slices.Equal(f.queue.did, []string{"hold all by test-admin"}) {
		t.Errorf("did %q", f.queue.did)
	}
}

func TestAttemptsAndDeliveries(t *testing.T) {
	f := newFixture(t)
	id := f.queue.messages[0].ID.String()
	page := decoded[Page[attemptView]](f.call("GET", "/api/v1/messages/"+id+"/attempts", "").want(http.StatusOK))
	if len(page.Items) != 1 || page.Items[0].Decision["tls_level"] != "required" || page.Items[0].Duration != 1500 {
		t.Errorf("%+v", page)
	}
	finished := decoded[Page[messageView]](f.call("GET", "/api/v1/deliveries?finished_after=2026-11-25T08:00:00Z&limit=1", "").want(http.StatusOK))
	if len(finished.Items) != 1 || finished.Items[0].State != "finished" || finished.Items[0].FinishedAt != "2026-11-25T12:00:00Z" {
		t.Errorf("%+v", finished)
	}
	for _, query := range []string{"finished_after=x", "finished_before=x", "recipient_domain=..", "cursor=x"} {
		f.call("GET", "/api/v1/deliveries?"+query, "").want(http.StatusBadRequest)
	}
}

// oneHour is the one-hour list in memory.
type oneHour struct{ peers []NoTLSHost }

func (l *oneHour) List() []NoTLSHost    { return l.peers }
func (l *oneHour) EmptiedAt() time.Time { return noon }

func (l *oneHour) Clear() int {
	n := len(l.peers)
	l.peers = nil
	return n
}

func (l *oneHour) Remove(addr netip.Addr) bool {
	n := len(l.peers)
	l.peers = slices.DeleteFunc(l.peers, func(p NoTLSHost) bool { return cmp.Compare(p.Address.String(), addr.String()) == 0 })
	return len(l.peers) < n
}

func TestNoTLSHosts(t *testing.T) {
	f := newFixture(t)
	list := decoded[NoTLSHosts](f.call("GET", "/api/v1/no-tls-hosts", "").want(http.StatusOK))
	if list.Items == nil || len(list.Items) != 0 || !list.EmptiedAt.Equal(noon) {
		t.Errorf("%+v", list)
	}
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		f.hosts.peers = append(f.hosts.peers, NoTLSHost{Address: netip.MustParseAddr(addr), Since: noon, Reason: "x"})
	}
	f.call("DELETE", "/api/v1/no-tls-hosts/2001:db8::1", "").want(http.StatusNoContent)
	f.call("DELETE", "/api/v1/no-tls-hosts/2001:db8::1", "").want(http.StatusNotFound)
	f.call("DELETE", "/api/v1/no-tls-hosts/nobody", "").want(http.StatusNotFound)
	if n := len(decoded[NoTLSHosts](f.call("GET", "/api/v1/no-tls-hosts", "")).Items); n != 1 {
		t.Errorf("%d peers", n)
	}
	f.call("DELETE", "/api/v1/no-tls-hosts", "").want(http.StatusNoContent)
	if n := len(decoded[NoTLSHosts](f.call("GET", "/api/v1/no-tls-hosts", "")).Items); n != 0 {
		t.Errorf("%d peers", n)
	}
}
