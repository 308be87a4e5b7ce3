// Package eventlog is what happened at the gateway, in order and for good: the
// log that dashboards and automation follow.
//
// An event has a number. Numbers are given in the order in which events become
// durable and without gaps, and an event is readable only when all before it are.
// So a reader that remembers one number, and asks for what comes after it, never
// misses an event and never sees one twice, over any number of restarts of either
// side.
//
// Events of the configuration and its like are written by the very transaction
// that makes them true. Those of mail go through [Log.Append], which never makes
// mail wait: they become durable within moments, and of too many the number that
// was lost is itself an event.
//
// An event says what an operator may want to know, not everything there is to
// know: its data are small, and hold neither secrets nor mail.
//
// Package event is another thing: its wakes carry nothing and may be merged.
package eventlog

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"postern/domain"
)

// Type is what sort of thing happened, as "certificate.activated": the part of
// the gateway, and what it did.
type Type string

// The types.
const (
	ConfigurationCommitted Type = "configuration.committed"
	ConfigurationApplied   Type = "configuration.applied"
	ConfigurationStuck     Type = "configuration.stuck"

	ConfigurationConfirmed Type = "configuration.confirmed"
	ConfigurationReverted  Type = "configuration.reverted" // it was not confirmed in time

	DraftOpened    Type = "draft.opened"
	DraftCommitted Type = "draft.committed"
	DraftDiscarded Type = "draft.discarded"

	CertificateCreated   Type = "certificate.created"
	CertificateActivated Type = "certificate.activated"
	CertificateDeleted   Type = "certificate.deleted"
	CertificateInstalled Type = "certificate.installed" // the signed one came for a request
	CertificateStaged    Type = "certificate.staged"    // an activation is to come, or was taken back
	CertificateExported  Type = "certificate.exported"  // with its private key
	CertificateExpiring  Type = "certificate.expiring"

	DigitalIDLoaded  Type = "digital_id.loaded"  // its certificate is active
	DigitalIDRefused Type = "digital_id.refused" // what was active before stays

	TLSFailed Type = "tls.failed" // to a destination that requires it

	MTASTSPolicyChanged Type = "mta_sts.policy_changed" // of another domain: it is new, or another
	MTASTSPolicyFailed  Type = "mta_sts.policy_failed"  // it cannot be fetched

	AlertOpened       Type = "alert.opened"
	AlertAcknowledged Type = "alert.acknowledged"
	AlertResolved     Type = "alert.resolved"

	MessageBounced  Type = "message.bounced"
	MessageHeld     Type = "message.held"
	MessageReleased Type = "message.released"
	MessageRetried  Type = "message.retried"
	MessageDeleted  Type = "message.deleted"

	QueueUnhealthy Type = "queue.unhealthy"
	QueueRecovered Type = "queue.recovered"

	JobFinished Type = "job.finished"

	TokenCreated Type = "token.created"
	TokenDeleted Type = "token.deleted"

	AdministratorCreated Type = "administrator.created"
	AdministratorChanged Type = "administrator.changed" // role, state or password
	AdministratorDeleted Type = "administrator.deleted"

	// EventsLost says how many events could not be kept.
	EventsLost Type = "events.lost"
)

// Types returns all types.
func Types() []Type {
	return []Type{
		ConfigurationCommitted, ConfigurationApplied, ConfigurationStuck,
		ConfigurationConfirmed, ConfigurationReverted, DraftOpened, DraftCommitted, DraftDiscarded,
		CertificateCreated, CertificateActivated, CertificateDeleted, CertificateExpiring,
		CertificateInstalled, CertificateStaged, CertificateExported, DigitalIDLoaded, DigitalIDRefused,
		TLSFailed, MTASTSPolicyChanged, MTASTSPolicyFailed, AlertOpened, AlertAcknowledged, AlertResolved,
		MessageBounced, MessageHeld, MessageReleased, MessageRetried, MessageDeleted,
		QueueUnhealthy, QueueRecovered, JobFinished, TokenCreated, TokenDeleted,
		AdministratorCreated, AdministratorChanged, AdministratorDeleted, EventsLost,
	}
}

// Subject is what an event is about: a resource of the API by its kind and its
// name or id. Either may be empty.
type Subject struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
}

// Event is something that happened.
type Event struct {
	Number  int64 // 0: not yet in the log
	Type    Type
	At      time.Time
	Subject Subject
	Data    json.RawMessage // a JSON object
}

// New returns an event whose data are those members, as JSON.
func New(t Type, s Subject, at time.Time, data map[string]any) Event {
	document, err := json.Marshal(data)
	if err != nil || data == nil {
		document = json.RawMessage(`{}`) // a value that has no form in JSON is a fault of ours
	}
	return Event{Type: t, Subject: s, At: at.UTC(), Data: document}
}

// ParseTypes reads a choice of types: names of types, or "certificate.*" for all of
// a part. No pattern chooses all types, and is nil.
func ParseTypes(patterns []string) ([]Type, error) {
	var chosen []Type
	var faults domain.Faults
	for _, pattern := range patterns {
		found := matching(pattern)
		if len(found) == 0 {
			faults.Add("", "there is no event type %q: see the list in the description of events", Shorten(pattern, 64))
		}
		chosen = append(chosen, found...)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), faults.Err()
}

func matching(pattern string) (found []Type) {
	part, whole := strings.CutSuffix(pattern, "*")
	for _, t := range Types() {
		if string(t) == pattern || whole && strings.HasSuffix(part, ".") && strings.HasPrefix(string(t), part) {
			found = append(found, t)
		}
	}
	return found
}

// Shorten cuts text for the data of an event, at the border of a character.
func Shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
