package config

import (
	"strconv"
	"time"

	"postern/domain/eventlog"
)

// draftEvents are the types of events by the state that a draft came into.
var draftEvents = map[DraftState]eventlog.Type{
	DraftOpen: eventlog.DraftOpened, DraftCommitted: eventlog.DraftCommitted, DraftDiscarded: eventlog.DraftDiscarded,
}

// Event is that the draft came into its state. What it holds is for those who may
// read the configuration.
func (d Draft) Event() eventlog.Event {
	data := map[string]any{"author": d.Author, "comment": d.Comment}
	if d.Revision != 0 {
		data["revision"] = d.Revision
	}
	return eventlog.New(draftEvents[d.State], eventlog.Subject{Kind: "draft", Key: d.ID}, d.UpdatedAt, data)
}

// ConfirmedEvent is that a revision was confirmed.
func ConfirmedEvent(number int64, by string, at time.Time) eventlog.Event {
	return revisionEvent(eventlog.ConfigurationConfirmed, number, at, map[string]any{"confirmed_by": by})
}

// RevertedEvent is that the revision which this one reverts was taken back, because
// nobody confirmed it in time.
func (r Revision) RevertedEvent() eventlog.Event {
	return revisionEvent(eventlog.ConfigurationReverted, r.Reverts, r.At, map[string]any{"reverted_in": r.Number})
}

func revisionEvent(t eventlog.Type, number int64, at time.Time, data map[string]any) eventlog.Event {
	return eventlog.New(t, eventlog.Subject{Kind: "revision", Key: strconv.FormatInt(number, 10)}, at, data)
}
