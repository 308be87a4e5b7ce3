package delivery

import (
	"math"
	"time"

	"postern/domain/policy"
)

// RateWindow counts recipients against the rate of a destination (B21). It
// begins with the first recipient and is over after the minutes of the rate;
// the next recipient begins another. The zero value is a window that is over.
type RateWindow struct {
	began time.Time
	used  int
}

// Room returns how many recipients the rate leaves at the moment, and where that
// is none, when it will be more. A rate that does not limit leaves room for all.
func (w *RateWindow) Room(rate *policy.RecipientRate, now time.Time) (room int, until time.Time) {
	if !rate.Limits() {
		return math.MaxInt, time.Time{}
	}
	end := w.began.Add(time.Duration(rate.Minutes) * time.Minute)
	// A clock that was put back ends the window too.
	if !now.Before(end) || now.Before(w.began) {
		*w = RateWindow{}
	}
	if room = rate.Recipients - w.used; room > 0 {
		return room, time.Time{}
	}
	return 0, end
}

// Spend counts recipients that are about to be tried.
func (w *RateWindow) Spend(n int, now time.Time) {
	if w.used == 0 {
		w.began = now
	}
	w.used += n
}

// Refund takes back recipients that were not tried after all.
func (w *RateWindow) Refund(n int) { w.used = max(w.used-n, 0) }
