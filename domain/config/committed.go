package config

import "postern/domain/eventlog"

// maxNamed bounds the items that an event of a revision names; the revision itself
// has them all.
const maxNamed = 20

// Event is that the revision was committed. It names what changed and not how:
// values are for those who may read the configuration.
func (r Revision) Event() eventlog.Event {
	named := make([]map[string]string, 0, min(len(r.Edits), maxNamed))
	for _, e := range r.Edits[:min(len(r.Edits), maxNamed)] {
		named = append(named, map[string]string{"kind": string(e.Kind), "key": e.Key, "change": e.change()})
	}
	return revisionEvent(eventlog.ConfigurationCommitted, r.Number, r.At, map[string]any{
		"author": r.Author, "comment": r.Comment, "items": named, "changes": len(r.Edits),
	})
}

func (e RecordedEdit) change() string {
	switch {
	case e.Before == nil:
		return "created"
	case e.After == nil:
		return "deleted"
	}
	return "changed"
}
