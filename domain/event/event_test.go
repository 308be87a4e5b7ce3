package event

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func pending(s *Subscription) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

func TestPublishWakesOnlyFollowersOfTheTopic(t *testing.T) {
	var bus Bus
	queue := bus.Subscribe(QueueChanged)
	both := bus.Subscribe(ConfigurationChanged, CertificateActivated)
	all := bus.Subscribe()

	bus.Publish(CertificateActivated)

	if pending(queue) {
		t.Error("a follower of another topic was woken")
	}
	if !pending(both) || !pending(all) {
		t.Error("a follower of the topic was not woken")
	}
}

func TestWakesAreMerged(t *testing.T) {
	var bus Bus
	s := bus.Subscribe(QueueChanged)
	for range 1000 {
		bus.Publish(QueueChanged) // would block for ever if it waited for s
	}
	if !pending(s) {
		t.Fatal("no wake after 1000 events")
	}
	if pending(s) {
		t.Error("more than one wake was kept")
	}
	bus.Publish(QueueChanged)
	if !pending(s) {
		t.Error("no wake for an event after the last one was taken")
	}
}

func TestClosedSubscriptionIsNotWoken(t *testing.T) {
	var bus Bus
	s := bus.Subscribe(QueueChanged)
	s.Close()
	s.Close()
	bus.Publish(QueueChanged)
	if pending(s) {
		t.Error("woken after Close")
	}
}

func TestBusIsSafeForConcurrentUse(t *testing.T) {
	var bus Bus
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				s := bus.Subscribe(ConfigurationChanged)
				bus.Publish(ConfigurationChanged)
				if !pending(s) {
					t.Error("own event did not wake")
				}
				s.Close()
			}
		})
	}
	wg.Wait()
}

func TestMarkNeverFalls(t *testing.T) {
	var m Mark
	m.Raise(5)
	m.Raise(3)
	if got := m.Value(); got != 5 {
		t.Errorf("Value() = %d after 5 and 3, want 5", got)
	}
	if err := m.Wait(t.Context(), 5); err != nil {
		t.Errorf("Wait for a reached mark: %v", err)
	}
}

func TestMarkWakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mark
		reached := make(chan int64, 3)
		for _, n := range []int64{1, 2, 3} {
			go func() {
				if err := m.Wait(t.Context(), n); err != nil {
					t.Errorf("Wait(%d): %v", n, err)
				}
				reached <- n
			}()
		}
		synctest.Wait()
		m.Raise(2)
		synctest.Wait()
		if got := len(reached); got != 2 {
			t.Fatalf("%d returned at mark 2, want those that wait for 1 and 2", got)
		}
		m.Raise(7)
		synctest.Wait()
		if got := len(reached); got != 3 {
			t.Errorf("%d returned at mark 7, want 3", got)
		}
	})
}

func TestMarkWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mark
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want the deadline", err)
		}
	})
}
