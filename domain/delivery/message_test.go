package delivery

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMessageIDRoundTripsAndSortsByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		end := time.Date(2089, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		early := rapid.Int64Range(begin, end-1).Draw(t, "early")
		late := rapid.Int64Range(early+1, end).Draw(t, "late")
		a := NewMessageID(time.UnixMilli(early), rapid.Uint32().Draw(t, "low"))
		b := NewMessageID(time.UnixMilli(late), rapid.Uint32().Draw(t, "low"))
		if a >= b || a.String() >= b.String() || int64(b) < 0 {
			t.Fatalf("%s (%d) and %s (%d) do not sort by time", a, a, b, int64(b))
		}
		if got, err := ParseMessageID(a.String()); err != nil || got != a {
			t.Fatalf("%s came back as %s, %v", a, got, err)
		}
	})
}

func TestParseMessageIDRefuses(t *testing.T) {
	for _, s := range []string{"", "0", "01ARZ3NDEKTS", "01ARZ3NDEKTSVX", "01ARZ3NDEKTS!", "UUUUUUUUUUUUU"} {
		if id, err := ParseMessageID(s); err == nil {
			t.Errorf("%q was read as %s", s, id)
		}
	}
}

// Ids never repeat, not even for one moment, one random number and many askers.
func TestIDSourceNeverRepeats(t *testing.T) {
	var ids IDSource
	var mu sync.Mutex
	seen := map[MessageID]bool{}
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for range 1000 {
				id := ids.Next(time.UnixMilli(1800000000000), 7)
				mu.Lock()
				if seen[id] {
					t.Errorf("%s was given twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	askers.Wait()
	if now := ids.Next(time.UnixMilli(1700000000000), 0); seen[now] {
		t.Error("a clock that was set back repeats an id")
	}
}

func TestSchedule(t *testing.T) { // B75
	s := Schedule{Intervals: []time.Duration{time.Minute, time.Hour}, Lifetime: 24 * time.Hour}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for attempts, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: time.Hour, 3: time.Hour, 100: time.Hour} {
		if got := s.Next(attempts, now).Sub(now); got != want {
			t.Errorf("after %d attempts: %s, want %s", attempts, got, want)
		}
	}
	if s.Expired(now.Add(-48*time.Hour), 0, now) {
		t.Error("a message that nobody tried has expired: a clock that jumps must not bounce it")
	}
	if !s.Expired(now.Add(-24*time.Hour), 1, now) || s.Expired(now.Add(-23*time.Hour), 9, now) {
		t.Error("a message expires with its lifetime")
	}
}
