package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/policy"
)

// While outcomes cannot be written, no connection takes up another message: a
// crash then repeats one delivery for each, not more (B74).
func TestConnectionWaitsForItsOutcome(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Second
		for i := range 100 {
			r.enqueue(r.message(address(i, "example.net")))
		}
		r.store.setFull(domain.E(domain.Unavailable, "the disk is full"))
		r.wait(10 * time.Second)
		if limit := policy.BuiltInDestination().MaxConnections; r.peer.count() > limit {
			t.Errorf("%d deliveries without an outcome on disk, want at most %d", r.peer.count(), limit)
		}
		r.store.setFull(nil)
		r.wait(2 * time.Minute)
		if n := r.store.unfinished(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if n := r.peer.count(); n != 100 {
			t.Errorf("%d deliveries of 100 messages", n)
		}
	})
}

// A delivery that panics defers its message and leaves the others alone.
func TestFaultInADeliveryDefers(t *testing.T) {
	inBubble(t, func(r *rig) {
		broken := r.message("ben@broken.example")
		r.peer.answer = func(m *delivery.Message, _ int) delivery.Outcome {
			if m.ID == broken.ID {
				panic("a bug")
			}
			return taken
		}
		r.enqueue(broken)
		other := r.send("ben@example.net")
		r.wantStates(broken.ID, "queued")
		r.wantStates(other, "delivered")
	})
}

// The queue looks at the disk by what it has written, not only by the clock: a
// flood must not eat the room that settling needs (B77).
func TestFloodIsStoppedBeforeTheReserveIsGone(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.wait(probeInterval / 2)
		r.store.mu.Lock()
		r.store.low = domain.E(domain.Unavailable, "the disk has little left")
		r.store.mu.Unlock()
		var stored int64
		for stored < 4*probeAfter {
			m := r.message("ben@example.net")
			w := r.NewBody(m.ID)
			if _, err := w.Write(make([]byte, 100<<10)); err != nil {
				t.Fatal(err)
			}
			m.Body, _ = w.Finish()
			stored += m.Body.Size()
			if r.Enqueue(context.Background(), m) != nil {
				break
			}
			synctest.Wait() // no time passes
		}
		if stored > 2*probeAfter || r.Accepting() == nil {
			t.Errorf("%d octets were taken before the disk was looked at", stored)
		}
	})
}
