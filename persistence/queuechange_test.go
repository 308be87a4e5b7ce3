package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// act does an action on messages.
func (q *mail) act(action delivery.Action, messages ...*delivery.Message) delivery.Written {
	q.t.Helper()
	c := delivery.Change{Action: action, At: noon.Add(time.Second), HeldReason: delivery.HeldBy("anna")}
	for _, m := range messages {
		c.Messages = append(c.Messages, m.ID)
	}
	return q.write(delivery.Batch{Changes: []delivery.Change{c}})
}

func idsOf(messages ...*delivery.Message) []delivery.MessageID {
	ids := make([]delivery.MessageID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}

func wantWritten(t *testing.T, got delivery.Written, changed []delivery.MessageID, waiting map[mailaddr.DomainName]int) {
	t.Helper()
	if diff := cmp.Diff([][]delivery.MessageID{changed}, got.Changed); diff != "" {
		t.Errorf("changed messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(waiting, got.Waiting); diff != "" {
		t.Errorf("waiting recipients (-want +got):\n%s", diff)
	}
}

// waits counts the recipients that wait.
func (q *mail) waits() int { return q.count("SELECT COUNT(*) FROM recipients WHERE waiting = 1") }

func TestHoldAndRelease(t *testing.T) {
	q := newMail(t)
	m, other := q.message("x", "ben@example.net", "carl@example.org"), q.message("x", "ben@example.net")
	done := q.message("x", "ben@example.net")
	q.accept(m, other, done)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(done, delivery.RecipientDelivered, 0, 0)}})

	wantWritten(t, q.act(delivery.ActionHold, m, done), idsOf(m), map[mailaddr.DomainName]int{"example.net": -1, "example.org": -1})
	if n := q.waits(); n != 1 {
		t.Errorf("%d recipients wait", n)
	}
	if got := q.message1(m.ID); !got.Held || got.HeldReason != `request of "anna"` || !got.Recipients[0].NextAttempt.IsZero() {
		t.Errorf("held message: %+v", got)
	}
	wantWritten(t, q.act(delivery.ActionHold, m), nil, map[mailaddr.DomainName]int{})
	wantWritten(t, q.act(delivery.ActionRetry, m), nil, map[mailaddr.DomainName]int{})
	wantWritten(t, q.act(delivery.ActionRelease, m, other), idsOf(m), map[mailaddr.DomainName]int{"example.net": 1, "example.org": 1})
	page := q.waiting("example.org", noon.Add(time.Second))
	if len(page.Messages) != 1 || page.Messages[0].Held || page.Messages[0].HeldReason != "" || page.Messages[0].Fences[1] != 2 {
		t.Errorf("released: %+v", page.Messages)
	}
}

// The reason of a message that was held as it came is stored with it, and stays
// though somebody asks for it to be held again.
func TestHeldReasonIsKept(t *testing.T) {
	q := newMail(t)
	m := q.message("x", "ben@example.net")
	m.Held, m.HeldReason = true, delivery.HeldByFilters([]string{"invoices"})
	q.accept(m)
	wantWritten(t, q.act(delivery.ActionHold, m), nil, map[mailaddr.DomainName]int{})
	if got := q.message1(m.ID); !got.Held || got.HeldReason != m.HeldReason {
		t.Errorf("held %t by %q", got.Held, got.HeldReason)
	}
}

func TestRetryMakesDue(t *testing.T) {
	q := newMail(t)
	m := q.message("x", "ben@example.net", "carl@example.net")
	q.accept(m)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{
		q.settlement(m, delivery.RecipientQueued, 0, 0), q.settlement(m, delivery.RecipientDelivered, 0, 1),
	}})
	if n := len(q.waiting("example.net", noon.Add(time.Second)).Messages); n != 0 {
		t.Fatalf("%d messages are due", n)
	}
	wantWritten(t, q.act(delivery.ActionRetry, m), idsOf(m), map[mailaddr.DomainName]int{"example.net": 0})
	if n := len(q.waiting("example.net", noon.Add(time.Second)).Messages); n != 1 {
		t.Errorf("%d messages are due", n)
	}
}

func TestDelete(t *testing.T) {
	q := newMail(t)
	m, held := q.message("x", "ben@example.net", "carl@example.net"), q.message("x", "ben@example.net")
	held.Held = true
	held.Body = q.spooled(held.ID)
	q.accept(m, held)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientBounced, 0, 0)}})
	wantWritten(t, q.act(delivery.ActionDelete, m, held), idsOf(m, held), map[mailaddr.DomainName]int{"example.net": -1})
	if got := q.message1(m.ID).Recipients; got[0].State != delivery.RecipientBounced || got[1].State != delivery.RecipientDeleted {
		t.Errorf("recipients: %+v", got)
	}
	if n := q.count("SELECT COUNT(*) FROM bodies"); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
	q.wantFiles()
	if n := q.count("SELECT COUNT(*) FROM messages WHERE finished_at IS NULL"); n != 0 {
		t.Errorf("%d messages are not finished", n)
	}
	// An attempt that was under way all the same comes too late.
	late := q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientDelivered, 0, 1)}})
	if len(late.Stale) != 1 {
		t.Error("a deleted recipient was delivered")
	}
}

func TestUnknownAction(t *testing.T) {
	q := newMail(t)
	m := q.message("x", "ben@example.net")
	q.accept(m)
	_, err := q.Write(t.Context(), &delivery.Batch{Changes: []delivery.Change{{Action: "eat", Messages: idsOf(m)}}})
	if domain.KindOf(err) != domain.Invalid {
		t.Errorf("error is %v", err)
	}
}
