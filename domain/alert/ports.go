package alert

import (
	"context"
	"time"

	"postern/domain/policy"
)

// Query selects a page of alerts, the youngest first.
type Query struct {
	Before      string // the last id of the page before; empty for the first page
	After       string // the same of a list from the oldest on
	OldestFirst bool   // turns the list around
	Limit       int    // at most so many
	State       State  // only this state; empty for all
	Type        policy.AlertType
	Severity    policy.AlertSeverity
	// Unresolved leaves out what is resolved.
	Unresolved bool
}

// Store keeps alerts. Implementations are safe for concurrent use and report a
// missing id as [domain.NotFound].
type Store interface {
	// Save writes the alert, a new one or one that is known by its id.
	Save(ctx context.Context, a Alert) error
	Get(ctx context.Context, id string) (Alert, error)
	List(ctx context.Context, q Query) ([]Alert, error)
	// Prune forgets alerts that were resolved before the time.
	Prune(ctx context.Context, before time.Time) error
}

// Notification asks for a recipient to be told of an alert.
type Notification struct {
	Alert     Alert
	Recipient policy.AlertRecipient
	// Named says that whoever reported the alert named the recipient, who is not
	// one of the configuration.
	Named bool
}

// Notifier takes notifications to their recipients. Notify returns at once; what
// comes of it is told to [Service.Note]. It returns false where too many wait.
type Notifier interface {
	Notify(n Notification) bool
}
