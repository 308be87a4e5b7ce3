package eventlog

import "fmt"

// GoneError says that a reader cannot go on from the number that it names, because
// events behind it are no longer kept, or because the log does not reach so far.
type GoneError struct {
	After          int64
	Oldest, Newest int64 // of what is kept
}

// GoOn is the number from which a reader can go on: after it comes the oldest
// event that is kept.
func (e *GoneError) GoOn() int64 { return e.Oldest - 1 }

// Error says what is kept.
func (e *GoneError) Error() string {
	return fmt.Sprintf("there is no going on after event %d: kept are %d to %d; load the state anew and go on after %d",
		e.After, e.Oldest, e.Newest, e.GoOn())
}
