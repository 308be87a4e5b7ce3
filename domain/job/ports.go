package job

import (
	"context"
	"time"
)

// Query selects a page of jobs, the youngest first.
type Query struct {
	Before      string // the last id of the page before; empty for the first page
	After       string // the same of a list from the oldest on
	OldestFirst bool   // turns the list around
	Limit       int    // at most so many
	State       State  // only this state; empty for all
	Kind        string // only this kind; empty for all
	Subject     string // only about this; empty for all
}

// Store keeps jobs. Implementations are safe for concurrent use and report a
// missing id as [domain.NotFound].
type Store interface {
	// Save writes the job, a new one or one that is known by its id.
	Save(ctx context.Context, j Job) error
	Get(ctx context.Context, id string) (Job, error)
	List(ctx context.Context, q Query) ([]Job, error)
	// Unfinished returns the jobs that are not over, oldest first.
	Unfinished(ctx context.Context) ([]Job, error)
	// Prune forgets jobs that ended before the time, and beyond the youngest keep
	// of those that are over.
	Prune(ctx context.Context, before time.Time, keep int) error
}
