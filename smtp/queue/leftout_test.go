package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// together groups all recipients, as one relay for all does.
func together(_ *delivery.Message, recipients []int) [][]int { return [][]int{recipients} }

// butFirst makes the peer leave out all recipients but the first, once.
func (p *peer) butFirst() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaves = func(recipients []int) []int {
		p.leaves = nil // under the peer's lock
		return recipients[1:]
	}
}

// wantOneTryEach fails the test unless every recipient counts one try.
func (r *rig) wantOneTryEach(id delivery.MessageID) {
	r.t.Helper()
	for i, recipient := range r.store.get(id).Recipients {
		if recipient.Attempts != 1 {
			r.t.Errorf("recipient %d counts %d tries", i, recipient.Attempts)
		}
	}
}

// TestLeftOutRecipientsAreTriedAtOnce is B29: whom the attempt does not serve
// under its configuration is tried again at once, from memory, and that was no
// try.
func TestLeftOutRecipientsAreTriedAtOnce(t *testing.T) {
	for name, second := range map[string]string{"of another destination": "b@two.example", "of the same destination": "b@one.example"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.peer.group = together
				r.peer.butFirst()
				id := r.send("a@one.example", second) // no time passes
				r.wantStates(id, "delivered", "delivered")
				r.wantOneTryEach(id)
				var tries [][]int
				for _, try := range r.peer.of(id) {
					tries = append(tries, try.recipients)
				}
				if diff := cmp.Diff([][]int{{0, 1}, {1}}, tries); diff != "" {
					t.Error(diff)
				}
				r.wantQuiet()
			})
		})
	}
}

// A failure of the one that was served puts off nobody else.
func TestLeftOutRecipientsDoNotShareTheOutcome(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.group = together
		r.peer.answers(func(i int) delivery.Outcome { return []delivery.Outcome{gone, taken}[i] })
		r.peer.butFirst()
		id := r.send("a@one.example", "b@two.example")
		r.wantStates(id, "queued", "delivered")
		r.wantOneTryEach(id)
	})
}

// What is left out counts once for the rate of its destination (B21).
func TestLeftOutRecipientsCountOnce(t *testing.T) {
	inLimitedBubble(t, rated(3, 5), func(r *rig, start time.Time) {
		r.peer.butFirst()
		r.sendTo(3)
		r.wantPace(start, time.Minute, "0:3", "0:2")
	})
}

// A message that an action waits for does not get back into a lane, where it
// would be tried as it was before the action.
func TestLeftOutRecipientsFollowAnAction(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.group, r.peer.slow = together, "two.example"
		for i := range policy.BuiltInDestination().MaxConnections {
			r.send(address(i, "two.example")) // its lane is busy for an hour
		}
		r.peer.latency = time.Second
		r.peer.butFirst()
		id := r.send("a@one.example", "b@two.example")
		if n, err := r.Act(context.Background(), "anna", delivery.ActionHold, id); n != 1 || err != nil {
			t.Errorf("%d messages held, %v", n, err)
		}
		synctest.Wait()
		r.wait(2 * time.Hour)
		r.wantStates(id, "delivered", "queued")
		r.wantTries(id, 1)
	})
}
