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

func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	// C04
	inBubble(t, func(r *rig) {
		r.peer.latency = 10 * time.Second
		id := r.send("ben@example.net")
		for i := range 50 {
			r.enqueue(r.message(address(i, "example.net")))
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		r.wantStates(id, "delivered")
		if err := r.Enqueue(context.Background(), r.message("x@example.net")); domain.KindOf(err) != domain.Unavailable {
			t.Errorf("enqueue after the stop: %v", err)
		}
		// The next run delivers the rest, nothing twice.
		r.peer.latency = 0
		r.run()
		r.settle()
		if n := r.store.unfinished(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if n := r.peer.count(); n != 51 {
			t.Errorf("%d tries for 51 messages", n)
		}
	})
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Hour
		id := r.send("ben@example.net")
		began := time.Now()
		if err := r.stop(); domain.KindOf(err) != domain.Unavailable {
			t.Errorf("stop: %v", err)
		}
		if took := time.Since(began); took != defaultGrace {
			t.Errorf("the stop took %v", took)
		}
		// The message is as it was, and due at once.
		if got := r.store.get(id).Recipients[0]; got.Attempts != 0 {
			t.Errorf("recipient: %+v", got)
		}
		r.peer.latency = 0
		r.run()
		r.settle()
		r.wantStates(id, "delivered")
	})
}

func TestStopDuringAFullDisk(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.latency = time.Second
		r.send("ben@example.net")
		r.store.setFull(domain.E(domain.Unavailable, "the disk is full"))
		r.wait(2 * time.Second)
		if err := r.stop(); err == nil {
			t.Error("the stop says that all is settled")
		}
	})
}

func TestRestartFindsWhatWaits(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.says(later)
		early := r.send("ben@example.net")
		_ = r.stop()
		late := r.message("carl@example.net", "dora@example.org")
		for i := range late.Recipients {
			late.Recipients[i].NextAttempt = time.Now()
		}
		r.store.insert([]*delivery.Message{late}) // as if the process before had died
		r.peer.says(taken)
		r.run()
		r.settle()
		r.wantStates(late.ID, "delivered", "delivered")
		r.wantStates(early, "queued")
		r.wait(10 * time.Minute)
		r.wantStates(early, "delivered")
		r.wantQuiet()
	})
}

func TestStartWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.store.reading = domain.E(domain.Unavailable, "the disk cannot be read")
		r.run()
		r.settle()
		if r.Accepting() == nil {
			t.Error("the queue accepts though it cannot read")
		}
		r.store.mu.Lock()
		r.store.reading = nil
		r.store.mu.Unlock()
		r.wait(10 * time.Second)
		if err := r.Accepting(); err != nil {
			t.Error(err)
		}
		_ = r.stop()
	})
}

func TestStopBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.store.reading = domain.E(domain.Unavailable, "the disk cannot be read")
		r.run()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if err := r.Enqueue(context.Background(), r.message("x@example.net")); err == nil {
			t.Error("a message was taken")
		}
	})
}

func TestUnreadableDiskIsTriedAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.says(later)
		id := r.send("ben@example.net")
		r.peer.says(taken)
		r.store.mu.Lock()
		r.store.reading = domain.E(domain.Unavailable, "the disk cannot be read")
		r.store.mu.Unlock()
		r.wait(10 * time.Minute)
		r.wantStates(id, "queued")
		r.store.mu.Lock()
		r.store.reading = nil
		r.store.mu.Unlock()
		r.wait(time.Minute)
		r.wantStates(id, "delivered")
	})
}

func TestMemoryDoesNotGrowWithTheQueue(t *testing.T) {
	// B78
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.MaxDeliveries = 5 })
		r.peer.latency = time.Second
		for i := range 5 * laneWindow {
			r.enqueue(r.message(address(i, "example.net")))
		}
		synctest.Wait()
		most := 0
		for r.store.unfinished() > 0 {
			r.wait(10 * time.Second)
			most = max(most, r.Stats().InMemory)
		}
		if most > laneWindow+20 {
			t.Errorf("%d messages were in memory", most)
		}
		if n := r.peer.count(); n != 5*laneWindow {
			t.Errorf("%d tries for %d messages", n, 5*laneWindow)
		}
		r.wantQuiet()
	})
}

func TestMailIsDeliveredInOrder(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.MaxDeliveries = 1 })
		r.peer.latency = time.Second
		var ids []delivery.MessageID
		for i := range 3 * laneWindow {
			ids = append(ids, r.enqueue(r.message(address(i, "example.net"))))
		}
		r.wait(2 * time.Hour)
		for i, id := range ids {
			if r.peer.tries[i].id != id {
				t.Fatalf("try %d is for another message", i)
			}
		}
	})
}

func TestHistoryIsPruned(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.HistorySeconds = 3600 })
		r.wait(2 * houseInterval)
		if n := len(r.store.pruned); n < 4 {
			t.Fatalf("%d steps", n)
		}
		if age := time.Since(r.store.pruned[len(r.store.pruned)-1]); age < time.Hour || age > 2*time.Hour {
			t.Errorf("history was pruned up to %v ago", age)
		}
	})
}

func TestClockThatJumps(t *testing.T) {
	// C22
	for name, jump := range map[string]time.Duration{"forward": 30 * 24 * time.Hour, "back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.peer.says(later)
				id := r.send("ben@example.net")
				r.wall.Store(int64(jump))
				r.wait(10 * time.Minute)
				r.wantStates(id, "queued") // not bounced
				r.wantTries(id, 2)         // nor stalled
				r.wait(time.Hour)
				r.wantStates(id, "queued")

				// After a restart the clock is what the system says.
				_ = r.stop()
				before := len(r.peer.of(id))
				r.run()
				r.wait(5 * time.Hour)
				if jump < 0 && len(r.peer.of(id)) == before {
					t.Error("the message stalls after a restart")
				}
			})
		})
	}
}

func TestClockFollowsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := time.Duration(0)
		c := newClock(func() time.Time { return time.Now().Add(wrong) })
		start := c.Now()
		wrong = time.Minute
		time.Sleep(time.Minute)
		if got := c.Now().Sub(start); got != 66*time.Second {
			t.Errorf("after a minute the clock has gained %v", got)
		}
		time.Sleep(time.Hour)
		if got := time.Now().Add(wrong).Sub(c.Now()); got != 0 {
			t.Errorf("after an hour the clock is wrong by %v", got)
		}
		wrong = -time.Hour
		before := c.Now()
		time.Sleep(time.Minute)
		if got := c.Now().Sub(before); got != 54*time.Second {
			t.Errorf("a clock set back goes on by %v in a minute", got)
		}
	})
}

func TestLanesWaitForMemory(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.says(later)
		id := r.send("ben@example.net")
		s := r.Queue.scheduler
		s.mu.Lock()
		for i := range hardMemory {
			s.entries[delivery.MessageID(i)] = &entry{m: &delivery.Message{}, claims: 1}
		}
		s.mu.Unlock()
		r.peer.says(taken)
		r.wait(time.Hour)
		r.wantTries(id, 1)
		s.mu.Lock()
		for i := range hardMemory {
			delete(s.entries, delivery.MessageID(i))
		}
		s.mu.Unlock()
		r.send("carl@example.org") // anything that moves
		r.wantStates(id, "delivered")
	})
}

func TestOneDestinationDoesNotWaitForAnother(t *testing.T) {
	// The message stays in memory for the slow one.
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.RetryIntervals = []int{60} })
		for i := range 2 * policy.BuiltInDestination().MaxConnections {
			r.enqueue(r.message(address(i, "slow.example")))
		}
		r.peer.mu.Lock()
		r.peer.answer = func(m *delivery.Message, i int) delivery.Outcome {
			if m.Recipients[i].Address.Domain == "quick.example" {
				return later
			}
			return taken
		}
		r.peer.slow = "slow.example"
		r.peer.mu.Unlock()
		r.settle()
		id := r.send("ben@slow.example", "carl@quick.example")
		r.wait(10 * time.Minute)
		if n := len(r.peer.of(id)); n < 5 {
			t.Errorf("the quick destination was tried %d times", n)
		}
	})
}
