package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/delivery"
)

// act does an action and fails the test unless it changes so many messages.
func (r *rig) act(action delivery.Action, want int, ids ...delivery.MessageID) {
	r.t.Helper()
	n, err := r.Act(context.Background(), "anna", action, ids...)
	if err != nil || n != want {
		r.t.Errorf("%s changed %d messages, want %d: %v", action, n, want, err)
	}
	synctest.Wait()
}

func TestHeldMailWaitsForItsRelease(t *testing.T) {
	// B76
	inBubble(t, func(r *rig) {
		m := r.message("ben@example.net")
		m.Held = true
		id := r.enqueue(m)
		r.wait(24 * time.Hour)
		r.wantTries(id, 0)
		r.wantQuiet()
		r.act(delivery.ActionHold, 0, id)
		r.act(delivery.ActionRetry, 1, id) // changes the time, not the hold
		r.wantTries(id, 0)
		r.act(delivery.ActionRelease, 1, id)
		r.wantStates(id, "delivered")
		r.act(delivery.ActionRelease, 0, id)
	})
}

func TestHoldTakesMailOutOfMemory(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Hour // the lane is busy for now
		for i := range 20 {
			r.enqueue(r.message(address(i, "example.net")))
		}
		id := r.send("ben@example.net", "carl@example.org")
		r.wait(2 * time.Hour)
		r.settle()
		r.wantStates(id, "delivered", "delivered")

		for i := range 20 {
			r.enqueue(r.message(address(i, "example.net")))
		}
		id = r.send("ben@example.net")
		r.act(delivery.ActionHold, 1, id)
		if got := r.store.get(id).HeldReason; got != `request of "anna"` {
			t.Errorf("held %s", got)
		}
		r.wait(4 * time.Hour)
		r.wantTries(id, 0)
		r.act(delivery.ActionRelease, 1, id)
		r.wait(2 * time.Hour)
		r.wantStates(id, "delivered")
		if s := r.Stats(); s.Waiting != 0 {
			t.Errorf("%d recipients are counted as waiting", s.Waiting)
		}
	})
}

func TestRetryIsAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, answer := range []delivery.Outcome{later, gone} {
			r.peer.says(answer)
			id := r.send("ben@example.net")
			r.wantStates(id, "queued")
			r.peer.says(taken)
			r.act(delivery.ActionRetry, 1, id)
			r.wantStates(id, "delivered")
			r.wantTries(id, 2)
		}
		r.wantQuiet()
	})
}

func TestRetryLeavesAnAttemptAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Minute
		id := r.send("ben@example.net")
		r.act(delivery.ActionRetry, 0, id)
		r.wait(2 * time.Minute)
		r.wantTries(id, 1)
		r.wantStates(id, "delivered")
	})
}

func TestDeleteWaitsForTheAttempt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Minute
		r.peer.answers(func(i int) delivery.Outcome { return []delivery.Outcome{taken, later}[i] })
		id := r.send("ben@example.net", "carl@example.net")
		r.act(delivery.ActionDelete, 1, id)
		r.wantStates(id, "delivered", "deleted")
		r.wait(24 * time.Hour)
		r.wantTries(id, 1)
		if s := r.Stats(); s.Waiting != 0 {
			t.Errorf("%d recipients are counted as waiting", s.Waiting)
		}
		r.wantQuiet()
	})
}

func TestActionGivesUpWithItsCaller(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Minute
		id := r.send("ben@example.net")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := r.Act(ctx, "anna", delivery.ActionDelete, id); domain.KindOf(err) != domain.Conflict {
			t.Errorf("error is %v", err)
		}
		r.wait(time.Hour)
		r.wantStates(id, "delivered")
		r.wantQuiet()
	})
}

func TestActOnAll(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.says(gone)
		for i := range 2*actionPage + 3 {
			r.enqueue(r.message(address(i, "example.net")))
		}
		r.settle()
		r.peer.says(taken)
		n, err := r.Queue.ActOnAll(context.Background(), "anna", delivery.ActionRetry, delivery.MessageFilter{})
		// The last three may be tried again already, on account of the others.
		if err != nil || n < 2*actionPage || n > 2*actionPage+3 {
			t.Errorf("%d changed, %v", n, err)
		}
		r.wait(time.Second)
		if left := r.store.unfinished(); left != 0 {
			t.Errorf("%d messages are left", left)
		}
		r.wantQuiet()
	})
}

func TestActionOnNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.act(delivery.ActionDelete, 0, r.id())
		r.act(delivery.ActionDelete, 0)
	})
}
