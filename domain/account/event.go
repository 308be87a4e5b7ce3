package account

import (
	"time"

	"postern/domain/eventlog"
)

// Event is that something was done to the token. Its hash is no part of it.
func (t Token) Event(what eventlog.Type, at time.Time) eventlog.Event {
	return eventlog.New(what, eventlog.Subject{Kind: "token", Key: t.ID}, at, map[string]any{
		"name": t.Name, "role": t.Role, "created_by": t.CreatedBy,
	})
}

// Event is that something was done to the administrator. His password is no part of
// it.
func (a Administrator) Event(what eventlog.Type, at time.Time) eventlog.Event {
	return eventlog.New(what, eventlog.Subject{Kind: "administrator", Key: a.Name}, at, map[string]any{
		"role": a.Role, "disabled": a.Disabled,
	})
}
