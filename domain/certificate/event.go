package certificate

import "postern/domain/eventlog"

// Event is what was done to the certificate.
func (c Certificate) Event(t eventlog.Type, act Act) eventlog.Event {
	data := map[string]any{
		"author": act.Author, "label": c.Label, "source": c.Source, "not_after": c.NotAfter.UTC(), "fingerprint": c.Fingerprint,
	}
	if c.State == Pending {
		data = map[string]any{"author": act.Author, "label": c.Label, "source": c.Source}
	}
	if c.Staged != nil {
		data["activate_at"] = c.Staged.At.UTC()
	}
	return eventlog.New(t, eventlog.Subject{Kind: "certificate", Key: c.ID}, act.At, data)
}
