package smtptest

import (
	"strings"
	"testing"
	"time"
)

// Timeout is how long the helpers of this package wait for what must happen.
const Timeout = 10 * time.Second

const pollInterval = 2 * time.Millisecond

// Eventually waits until cond holds and fails the test where it does not within
// [Timeout]; what says what was waited for. Cond runs on the caller's goroutine.
func Eventually(tb testing.TB, cond func() bool, what ...string) {
	tb.Helper()
	deadline := time.Now().Add(Timeout)
	for !cond() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v in vain: %s", Timeout, strings.Join(what, " "))
		}
		time.Sleep(pollInterval)
	}
}
