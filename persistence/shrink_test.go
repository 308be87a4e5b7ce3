package persistence

import (
	"strings"
	"testing"

	"postern/domain/delivery"
)

// What a burst has made big becomes small again once its messages are gone, a step at
// a time, so that the writer is never away for long.
func TestQueueShrinks(t *testing.T) {
	q := newMail(t)
	body := strings.Repeat("x", 120<<10)
	var burst, settled delivery.Batch
	for range 200 {
		burst.Accepted = append(burst.Accepted, q.message(body, "ben@example.net"))
	}
	q.write(burst)
	for _, m := range burst.Accepted {
		settled.Settlements = append(settled.Settlements, q.settlement(m, delivery.RecipientDelivered, 0, 0))
	}
	if stale := q.write(settled).Stale; len(stale) > 0 {
		t.Fatalf("stale settlements: %v", stale)
	}
	free, before, err := q.file.pages(t.Context())
	if err != nil || free <= slackPages {
		t.Fatalf("%d pages are free: %v", free, err)
	}
	steps := 0
	for more := true; more; steps++ {
		if more, err = q.Prune(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	free, after, err := q.file.pages(t.Context())
	if err != nil || free > slackPages || after > before-shrinkPages {
		t.Errorf("%d of %d pages are free, of %d before: %v", free, after, before, err)
	}
	if steps < 2 {
		t.Error("all was given back in one step")
	}
}
