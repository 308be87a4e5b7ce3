package alert

import (
	"strings"
	"time"

	"postern/domain/eventlog"
)

// Log takes in what happens to alerts. It never waits.
type Log interface {
	Append(e eventlog.Event)
}

// tell writes to the log what changes for an alert; before is its state until now,
// empty where it is new. That it was raised again, or silenced, is no news.
func (s *Service) tell(before State, a Alert, now time.Time) {
	if a.State == before {
		return
	}
	switch a.State {
	case Open:
		s.Log.Append(a.event(eventlog.AlertOpened, now))
		if t, ok := causes[a.Kind]; ok {
			s.Log.Append(eventlog.New(t, causeOf(a), now, map[string]any{"alert": a.ID, "severity": a.Severity, "subject": a.Subject}))
		}
	case Acknowledged:
		s.Log.Append(a.event(eventlog.AlertAcknowledged, now))
	case Resolved:
		s.Log.Append(a.event(eventlog.AlertResolved, now))
	}
}

// causes are the events of which an alert is made, where they have a type of their
// own. They are told once while the alert is open, however often they happen.
var causes = map[Kind]eventlog.Type{
	TLSFailed:         eventlog.TLSFailed,
	CertificateExpiry: eventlog.CertificateExpiring,
}

// causeOf is what the cause of an alert is about.
func causeOf(a Alert) eventlog.Subject {
	if a.Kind == TLSFailed {
		return eventlog.Subject{Kind: "destination", Key: a.About}
	}
	id, _, _ := strings.Cut(a.About, ":") // the days left follow
	return eventlog.Subject{Kind: "certificate", Key: id}
}

func (a Alert) event(t eventlog.Type, now time.Time) eventlog.Event {
	data := map[string]any{"kind": a.Kind, "about": a.About, "severity": a.Severity, "subject": a.Subject, "count": a.Count}
	switch a.State {
	case Acknowledged:
		data["by"] = a.AcknowledgedBy
	case Resolved:
		data["resolution"] = a.Resolution
	}
	return eventlog.New(t, eventlog.Subject{Kind: "alert", Key: a.ID}, now, data)
}
