package eventlog

import (
	"context"
	"time"
)

// Query selects events in the order of their numbers.
type Query struct {
	After int64  // events with higher numbers
	Types []Type // only of these types; nil: of all
	Limit int    // at most so many
}

// Page is a stretch of the log, as of one moment.
type Page struct {
	Events []Event
	// Oldest is the number of the oldest event that is kept, Newest that of the
	// newest. In a log without events Oldest is one more than Newest.
	Oldest, Newest int64
}

// Store keeps the log. Implementations are safe for concurrent use.
type Store interface {
	// Append gives the events the next numbers and makes all of them durable, or
	// none.
	Append(ctx context.Context, events []Event) error
	Read(ctx context.Context, q Query) (Page, error)
	// Newest returns the number that was given last; 0 where none was.
	Newest(ctx context.Context) (int64, error)
	// Prune forgets some of the events that happened before the time, and of those
	// beyond the newest keep, oldest first, and returns whether there are more.
	Prune(ctx context.Context, before time.Time, keep int64) (more bool, err error)
}
