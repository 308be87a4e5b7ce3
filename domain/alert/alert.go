// Package alert holds what an administrator has to know without asking (B62).
//
// An alert is an object with a life: it is raised by an event, counted while
// the event repeats, acknowledged by who looks after it, silenced for a while,
// and resolved when its cause is gone. Events of the same cause share a key, and
// of each key at most one alert is not resolved.
//
// Whoever subscribed hears of an alert when it is raised, and of its repeats at
// growing distances (see backoff). An alert that comes back soon after it was
// resolved is the same one, so that a peer that fails now and then cannot fill a
// mailbox.
//
// What happens is told by [Event]; the words are this package's own and hold no
// secrets. Foreign text in them is quoted by whoever made the event.
package alert

import (
	"slices"
	"time"

	"postern/domain/policy"
)

// State is where an alert stands.
type State string

// The states.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged" // somebody looks after it: no more notifications
	Resolved     State = "resolved"     // the cause is gone, or somebody says so
)

// Alert is one cause of concern, as it stands.
type Alert struct {
	ID       string // sorts by age
	Type     policy.AlertType
	Severity policy.AlertSeverity
	Kind     Kind
	// About is what it is about, such as the destination domain; empty where the
	// kind says it all.
	About   string
	Subject string // one line
	Detail  string // of the newest event
	Count   int64  // of events
	// FirstSeen and LastSeen are the times of the oldest and newest event.
	FirstSeen, LastSeen time.Time

	State State
	// SilencedUntil keeps notifications back for a while; nil: not silenced.
	SilencedUntil  *time.Time
	AcknowledgedBy string
	// Resolution says why it is resolved, or who said so.
	Resolution string
	ResolvedAt *time.Time

	// Notified counts the times that its recipients were notified, the last one
	// at NotifiedAt; none is due before NextNotification.
	Notified         int
	NotifiedAt       *time.Time
	NextNotification *time.Time
	// Notices are what came of the last notification, by recipient.
	Notices []Notice
}

// Notice is what came of telling one recipient.
type Notice struct {
	Recipient string    `json:"recipient"`
	At        time.Time `json:"at"`
	State     string    `json:"state"` // NoticePending, NoticeSent, NoticeFailed
	Detail    string    `json:"detail,omitempty"`
}

// The states of a notice.
const (
	NoticePending = "pending"
	NoticeSent    = "sent"
	NoticeFailed  = "failed"
)

// Key is the same for all events of one cause, as tls_failed:example.com.
func (a Alert) Key() string { return keyOf(a.Kind, a.About) }

// Silenced reports whether notifications are kept back at the time.
func (a Alert) Silenced(now time.Time) bool {
	return a.SilencedUntil != nil && now.Before(*a.SilencedUntil)
}

// due reports whether the newest event is to be told.
func (a Alert) due(now time.Time) bool {
	waits := a.NextNotification != nil && now.Before(*a.NextNotification)
	return a.State == Open && !a.Silenced(now) && !waits
}

// over reports whether the alert has ended for good: an event from now on
// begins a new one.
func (a Alert) over(now time.Time) bool {
	return a.State == Resolved && (a.NextNotification == nil || !now.Before(*a.NextNotification))
}

// raise takes in an event: the first one, a repeat, or the return of what was
// resolved.
func (a Alert) raise(e Event, now time.Time) Alert {
	if a.Count == 0 {
		a.FirstSeen = now
	}
	if a.State != Acknowledged || e.Severity != a.Severity && e.Severity.AtLeast(a.Severity) {
		a.State, a.AcknowledgedBy = Open, "" // what grew worse is news to who looks after it
		a.Resolution, a.ResolvedAt = "", nil
	}
	a.Type, a.Severity, a.Kind, a.About = e.Kind.Type(), e.Severity, e.Kind, e.About
	a.Subject, a.Detail = e.subject(), shorten(e.Detail, maxDetail)
	a.Count += max(e.Count, 1)
	a.LastSeen = now
	return a
}

// notifying returns the alert with a notification to the recipients begun.
func (a Alert) notifying(recipients []policy.AlertRecipient, now time.Time) Alert {
	a.Notified++
	a.NotifiedAt, a.NextNotification = new(now), new(now.Add(backoff(a.Notified)))
	a.Notices = make([]Notice, len(recipients))
	for i, r := range recipients {
		a.Notices[i] = Notice{Recipient: r.Name, At: now, State: NoticePending}
	}
	return a
}

// Pending returns how many recipients are being told.
func (a Alert) Pending() int {
	n := 0
	for _, each := range a.Notices {
		if each.State == NoticePending {
			n++
		}
	}
	return n
}

// noted returns the alert with what came of a notice. One that a later
// notification has replaced is gone.
func (a Alert) noted(n Notice) Alert {
	a.Notices = slices.Clone(a.Notices)
	for i, each := range a.Notices {
		if each.Recipient == n.Recipient {
			n.Detail = shorten(n.Detail, maxDetail)
			a.Notices[i] = n
		}
	}
	return a
}

// interrupted returns the alert as it is after a stop of the gateway: notices
// that were under way are lost, so that the next event is told again.
func (a Alert) interrupted() Alert {
	a.Notices = slices.Clone(a.Notices)
	for i, n := range a.Notices {
		if n.State == NoticePending {
			a.Notices[i].State, a.Notices[i].Detail = NoticeFailed, "the gateway stopped meanwhile"
			a.NextNotification = nil
		}
	}
	return a
}

// resolved returns the alert as resolved for a reason.
func (a Alert) resolved(why string, now time.Time) Alert {
	a.State, a.Resolution, a.ResolvedAt = Resolved, shorten(why, maxDetail), new(now)
	return a
}
