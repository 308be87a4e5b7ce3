package persistence

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
)

func TestFigures(t *testing.T) {
	q := newMail(t)
	figures := func() delivery.QueueFigures {
		t.Helper()
		f, err := q.Figures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if got := figures(); got != (delivery.QueueFigures{}) {
		t.Errorf("an empty queue has %+v", got)
	}
	oldest, waits, held, done := q.message("x", "a@a.example"), q.message("x", "b@b.example"), q.message("x", "c@c.example"), q.message("x", "d@d.example")
	q.accept(oldest, waits, held, done)
	q.write(delivery.Batch{
		Settlements: []*delivery.Settlement{q.settlement(done, delivery.RecipientDelivered, 0, 0)},
		Changes:     []delivery.Change{{Action: delivery.ActionHold, Messages: []delivery.MessageID{held.ID}, At: noon}},
	})
	if diff := cmp.Diff(delivery.QueueFigures{Queued: 2, Held: 1, Oldest: oldest.ReceivedAt}, figures()); diff != "" {
		t.Error(diff)
	}
}
