package delivery

import (
	"testing"
	"time"

	"postern/domain/policy"
)

func TestRateWindow(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rate := &policy.RecipientRate{Recipients: 10, Minutes: 2}
	var w RateWindow
	check := func(at time.Time, want int) {
		t.Helper()
		room, until := w.Room(rate, at)
		if room != want {
			t.Errorf("at %s room for %d, want %d", at.Sub(start), room, want)
		}
		if want == 0 && !until.Equal(start.Add(2*time.Minute)) {
			t.Errorf("more at %s", until.Sub(start))
		}
	}
	check(start, 10)
	w.Spend(4, start)
	check(start.Add(time.Minute), 6)
	w.Spend(6, start.Add(time.Minute))
	check(start.Add(2*time.Minute-1), 0)
	w.Refund(3)
	check(start.Add(2*time.Minute-1), 3)
	check(start.Add(2*time.Minute), 10)
	w.Spend(12, start.Add(3*time.Minute))
	check(start.Add(-time.Hour), 10) // the clock was put back

	if room, _ := w.Room(nil, start); room < 1_000_000 {
		t.Error("no rate limits nothing")
	}
}
