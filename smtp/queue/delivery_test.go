package queue

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/policy"
)

func TestDeliversAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.send("ben@example.net")
		r.wantStates(id, "delivered")
		r.wantTries(id, 1)
		r.wantQuiet()
		if s := r.Stats(); s.Accepted != 1 || s.Delivered != 1 || s.Waiting != 0 || s.Destinations != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestEnqueueWaitsForTheDisk(t *testing.T) {
	// B74
	inBubble(t, func(r *rig) {
		r.store.gate = make(chan struct{})
		said := make(chan error, 1)
		go func() { said <- r.Enqueue(context.Background(), r.message("ben@example.net")) }()
		synctest.Wait()
		select {
		case err := <-said:
			t.Fatalf("an answer (%v) was given before the message was durable", err)
		default:
		}
		if r.peer.count() > 0 {
			t.Error("a message was delivered before it was durable")
		}
		close(r.store.gate)
		if err := <-said; err != nil {
			t.Error(err)
		}
	})
}

func TestMessagesShareACommit(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Hour // settlements stay out of it
		gate := make(chan struct{})
		r.store.gate = gate
		var sessions sync.WaitGroup
		sessions.Go(func() { r.enqueue(r.message("ben@example.net")) })
		synctest.Wait() // that one is being written
		for range 99 {
			sessions.Go(func() { r.enqueue(r.message("ben@example.net")) })
		}
		synctest.Wait()
		close(gate)
		sessions.Wait()
		if r.store.batches != 2 || r.store.biggest != 99 {
			t.Errorf("%d batches, the biggest of %d", r.store.batches, r.store.biggest)
		}
	})
}

func TestFullDiskIsSaidAndMends(t *testing.T) {
	// B77
	inBubble(t, func(r *rig) {
		full := domain.E(domain.Unavailable, "the disk is full")
		r.store.setFull(full)
		m := r.message("ben@example.net")
		w := r.NewBody(m.ID)
		if _, err := w.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		m.Body, _ = w.Finish()
		if err := r.Enqueue(context.Background(), m); domain.KindOf(err) != domain.Unavailable {
			t.Errorf("enqueue says %v", err)
		}
		if r.Accepting() == nil {
			t.Error("the queue still accepts")
		}
		synctest.Wait()
		r.wantQuiet()
		r.store.setFull(nil)
		r.wait(2 * probeInterval)
		if err := r.Accepting(); err != nil {
			t.Errorf("the queue does not accept: %v", err)
		}
	})
}

func TestOneBadMessageDoesNotSpoilTheBatch(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Hour
		first := r.message("ben@example.net")
		twin := r.message("ben@example.net")
		r.enqueue(first)
		twin.ID = first.ID
		gate := make(chan struct{})
		r.store.gate = gate
		var sessions sync.WaitGroup
		sessions.Go(func() { r.enqueue(r.message("ben@example.net")) }) // holds the committer up
		synctest.Wait()
		var refusal error
		sessions.Go(func() { refusal = r.Enqueue(context.Background(), twin) })
		sessions.Go(func() { r.enqueue(r.message("ben@example.net")) })
		synctest.Wait()
		close(gate)
		sessions.Wait()
		if domain.KindOf(refusal) != domain.Conflict {
			t.Errorf("the twin got %v", refusal)
		}
		if r.Accepting() != nil {
			t.Error("a bad message makes the spool unhealthy")
		}
	})
}

func TestRetriesBySchedule(t *testing.T) {
	// B75
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.RetryIntervals = []int{60, 600} })
		r.peer.says(later)
		id := r.send("ben@example.net")
		r.wantQuiet()
		r.wait(3 * time.Hour)
		tries := r.peer.of(id)
		if len(tries) < 10 {
			t.Fatalf("%d tries", len(tries))
		}
		for i, want := range []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute} {
			got := tries[i+1].at.Sub(tries[i].at)
			if got < want*9/10 || got > want*11/10+time.Second {
				t.Errorf("pause %d is %v, want %v within a tenth", i, got, want)
			}
		}
		r.peer.says(taken)
		r.wait(20 * time.Minute)
		r.wantStates(id, "delivered")
		r.wantQuiet()
	})
}

func TestExpires(t *testing.T) {
	// B28, B75
	for name, c := range map[string]struct {
		answer   delivery.Outcome
		enhanced string
	}{
		"for the peer":      {later, "5.4.7"},
		"for TLS":           {noTLS, "5.7.4"},
		"for no connection": {gone, "5.4.7"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.settings(func(s *policy.QueueSettings) { s.LifetimeSeconds, s.DelayNoticeSeconds = 86400, 0 })
				r.peer.says(c.answer)
				id := r.send("ben@example.net")
				r.wait(23*time.Hour + 59*time.Minute)
				r.wantStates(id, "queued")
				r.wait(20 * time.Minute) // the longest suspension, and some
				r.wantStates(id, "bounced")
				last := r.store.get(id).Recipients[0].Last
				if last.Enhanced != c.enhanced || !strings.Contains(last.Text, c.answer.Text) {
					t.Errorf("last outcome: %v", last)
				}
				if n := len(r.store.notices()); n != 1 {
					t.Errorf("%d notices", n)
				}
				r.wantQuiet()
			})
		})
	}
}

func TestEachRecipientHasItsOwnFate(t *testing.T) {
	// N27
	inBubble(t, func(r *rig) {
		r.peer.answers(func(i int) delivery.Outcome { return []delivery.Outcome{taken, later, never}[i] })
		id := r.send("a@example.net", "b@example.net", "c@example.net")
		r.wantStates(id, "delivered", "queued", "bounced")
		r.peer.says(taken)
		r.wait(10 * time.Minute)
		r.wantStates(id, "delivered", "delivered", "bounced")
		tries := r.peer.of(id)
		if len(tries) != 2 || len(tries[1].recipients) != 1 || tries[1].recipients[0] != 1 {
			t.Errorf("tries: %v", tries)
		}
		if n := len(r.store.notices()); n != 1 {
			t.Errorf("%d notices", n)
		}
	})
}

func TestSplitsByNextHop(t *testing.T) {
	// B29
	to := []string{"a@one.example", "b@two.example", "c@one.example", "d@three.example"}
	for name, c := range map[string]struct {
		group func(*delivery.Message, []int) [][]int
		tries int
	}{
		"by MX":        {byDomain, 3},
		"by one relay": {func(_ *delivery.Message, recipients []int) [][]int { return [][]int{recipients} }, 1},
		"each alone": {func(_ *delivery.Message, recipients []int) (groups [][]int) {
			for _, i := range recipients {
				groups = append(groups, []int{i})
			}
			return groups
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.peer.group = c.group
				r.peer.latency = time.Second
				id := r.send(to...)
				r.wait(time.Minute)
				r.wantStates(id, "delivered", "delivered", "delivered", "delivered")
				r.wantTries(id, c.tries)
				r.wantQuiet()
			})
		})
	}
}

func TestManyRecipientsAreServedInParts(t *testing.T) {
	inBubble(t, func(r *rig) {
		var to []string
		for i := range 2*maxRecipients + 50 {
			to = append(to, address(i, "example.net"))
		}
		r.peer.latency = time.Second
		id := r.send(to...)
		r.wait(time.Minute)
		seen := map[int]int{}
		for _, try := range r.peer.of(id) {
			if len(try.recipients) > maxRecipients {
				t.Errorf("an attempt for %d recipients", len(try.recipients))
			}
			for _, i := range try.recipients {
				seen[i]++
			}
		}
		for i := range to {
			if seen[i] != 1 {
				t.Errorf("recipient %d was tried %d times", i, seen[i])
			}
		}
		r.wantTries(id, 3)
		r.wantQuiet()
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Second
		for i := range 100 {
			r.enqueue(r.message(address(i, "example.net")))
		}
		r.wait(30 * time.Second)
		limit := policy.BuiltInDestination().MaxConnections
		if peak := r.peer.peak["example.net"]; peak != limit {
			t.Errorf("%d deliveries at a time, want %d", peak, limit)
		}
		if r.store.unfinished() != 0 {
			t.Error("not all is delivered")
		}
	})
}

func TestLanesTakeTurns(t *testing.T) {
	// A destination with much mail does not hold up one with little.
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.MaxDeliveries = 2 })
		r.peer.latency = time.Second
		for i := range 200 {
			r.enqueue(r.message(address(i, "big.example")))
		}
		id := r.send("ben@small.example")
		r.wait(3 * time.Second)
		r.wantStates(id, "delivered")
	})
}

func TestSettlementOutlivesAFullDisk(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Second
		id := r.send("ben@example.net")
		r.store.setFull(domain.E(domain.Unavailable, "the disk is full"))
		r.wait(10 * time.Minute)
		r.wantStates(id, "queued")
		r.store.setFull(nil)
		r.wait(time.Minute)
		r.wantStates(id, "delivered")
		r.wantTries(id, 1) // no duplicate
		r.wantQuiet()
	})
}
