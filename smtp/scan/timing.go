package scan

import "time"

// Timing says how long the steps of an inspection take at most, beside the time
// that the profile gives all of them together.
type Timing struct {
	Connect time.Duration // TCP and TLS together
	Request time.Duration // one look at a result
	// FirstPoll is how long after the submission the result is asked for, and the
	// pauses double up to LastPoll.
	FirstPoll, LastPoll time.Duration
	// Busy is the pause before a server is asked again that is busy and does not
	// say for how long.
	Busy time.Duration
	// Rest is how long a server that failed is asked after all others.
	Rest time.Duration
}

// DefaultTiming is for servers near by: most messages are judged within a second.
func DefaultTiming() Timing {
	return Timing{
		Connect:   5 * time.Second,
		Request:   10 * time.Second,
		FirstPoll: 100 * time.Millisecond,
		LastPoll:  time.Second,
		Busy:      time.Second,
		Rest:      30 * time.Second,
	}
}
