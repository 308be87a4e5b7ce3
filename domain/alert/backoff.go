package alert

import "time"

// The distances between notifications.
const (
	firstBackoff = 5 * time.Minute
	lastBackoff  = 24 * time.Hour // from then on daily
)

// backoff returns how long repeats are kept back after the given number of
// notifications: 5, 15, 35, 75 … minutes (B62), each twice the one before and
// five minutes more, up to a day.
func backoff(notified int) time.Duration {
	wait := firstBackoff
	for range notified - 1 {
		if wait = 2*wait + firstBackoff; wait >= lastBackoff {
			return lastBackoff
		}
	}
	return wait
}
