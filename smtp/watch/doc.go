// Package watch turns what happens in the gateway into alerts (B62).
//
// There are two sorts of sources. Deliveries are told of every settlement, and
// Partners of every outgoing connection, and must hold nobody up: what they find
// of TLS goes into a bounded table by key, from which one goroutine raises and
// resolves. Conditions are looked at, when something changed and now and then:
// what holds is raised, what no longer holds is resolved.
package watch

import (
	"context"

	"postern/domain/alert"
)

// Alerts takes events; [alert.Service] does.
type Alerts interface {
	Raise(ctx context.Context, e alert.Event) error
	Resolve(ctx context.Context, key, reason string) error
	// IsOpen reports whether an alert of the key is not resolved. It never waits.
	IsOpen(key string) bool
	// OpenKeys returns the keys of the alerts of a kind that are not resolved.
	OpenKeys(k alert.Kind) []string
}

var _ Alerts = (*alert.Service)(nil)
