// Package config is the one mechanism for all configuration: edits on a base
// revision, validated as a whole, compiled into an immutable [Snapshot],
// committed as one numbered revision, published, applied, rolled back. A new
// kind of item needs a type in domain/policy, its rules, its compile step in
// this package, and no table and no second machinery.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"postern/domain"
)

// Kind is a sort of configuration item.
type Kind string

// The kinds of item. The key of an item is its name, its pattern, or (for
// settings) its section.
const (
	KindSettings            Kind = "settings"
	KindListener            Kind = "listener"
	KindHostAccessTable     Kind = "host_access_table" // key: the listener's name
	KindMailFlowPolicy      Kind = "mail_flow_policy"
	KindDestinationControl  Kind = "destination_control"
	KindRoute               Kind = "route"
	KindSTARTTLSExemption   Kind = "starttls_exemption"
	KindSTARTTLSRequirement Kind = "starttls_requirement"
	KindDomain              Kind = "domain"
	KindTrustAnchor         Kind = "trust_anchor"
	KindServerProfile       Kind = "server_profile"
	KindAlertRecipient      Kind = "alert_recipient"
	KindWebhook             Kind = "webhook"
	KindContentFilters      Kind = "content_filters" // key: ContentFiltersKey
	KindMTASTSPolicy        Kind = "mta_sts_policy"  // that we publish; key: the domain
)

// ContentFiltersKey is the key of the one list of content filters: their order is
// part of the item (B59).
const ContentFiltersKey = "default"

// Item is a stored configuration item.
type Item struct {
	Kind     Kind
	Key      string
	Document json.RawMessage // the value of domain/policy, as JSON
	ETag     string          // of the document; equal documents have equal tags
	Revision int64           // that wrote it last
}

// ETagOf returns the entity tag of a document, without quotes.
func ETagOf(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:12])
}

// Edit asks for one item to be written or deleted.
type Edit struct {
	Kind  Kind
	Key   string
	Value Value // nil deletes
	// IfMatch is the entity tag that the item must have now; "*" asks only that
	// it exists; empty asks nothing.
	IfMatch string
	// IfNoneMatch asks that the item does not exist yet.
	IfNoneMatch bool
	// Faults are what was found at fault with the value already, in reading it;
	// what could not be read is zero in it. An edit with faults never commits,
	// but the rest of its value is judged too.
	Faults domain.Faults
	// At is put before the pointers of the edit's faults: where the value
	// stands in the document that the caller sent.
	At string
	// Line is the line of the caller's input that the value stands on; 0: none.
	Line int
}

// Ref names an item.
type Ref struct {
	Kind Kind
	Key  string
}

// Ref names the item that the edit is about.
func (e Edit) Ref() Ref { return Ref{e.Kind, e.Key} }

// Value is a configuration item in its typed form.
type Value interface {
	Validate() domain.Faults
}

// Change is a set of edits that become one revision, or none of them does.
type Change struct {
	Author  string
	Comment string
	Edits   []Edit
	// Base is the revision that the change was made for: it is Stale where another
	// one is the newest. 0 asks nothing. A draft has the preconditions of the edits
	// instead.
	Base int64
	// ConfirmWithin is how long the change stands without being confirmed (B70):
	// from [MinConfirm] to [MaxConfirm]; zero is for good.
	ConfirmWithin time.Duration
	// unbound commits listeners whose address cannot be opened now: the rest
	// serves, and the engine reports them and keeps trying.
	unbound bool
	// draft is the id of the draft that the change comes from.
	draft string
	// reverts is the number of the unconfirmed revision that the change takes back;
	// it is recorded then even where nothing is left to take back.
	reverts int64
}

// Act is who changes the configuration, why, and on what terms.
type Act struct {
	Author  string
	Comment string
	// ConfirmWithin is how long the change stands without being confirmed (B70);
	// zero is for good.
	ConfirmWithin time.Duration
}

func (a Act) change(edits []Edit) Change {
	return Change{Author: a.Author, Comment: a.Comment, ConfirmWithin: a.ConfirmWithin, Edits: edits}
}

// Result is what a change came to.
type Result struct {
	// Revision is the one that the change made; where the change altered
	// nothing, it is the newest one there is.
	Revision int64
	// Items are the written items in the order of the edits; a deleted one has
	// no document.
	Items []Item
	// Warnings are what an administrator should look at, though it is allowed.
	Warnings domain.Faults
}

// RecordedEdit is what a revision did to one item. Before or After is nil where
// the item did not exist.
type RecordedEdit struct {
	Kind   Kind
	Key    string
	Before json.RawMessage
	After  json.RawMessage
}

// Revision is a committed change (B69).
type Revision struct {
	Number  int64
	Author  string
	Comment string
	At      time.Time
	// Draft is the id of the draft that was committed; empty for a plain write.
	Draft string
	// Confirmation is nil where the revision stood from the start.
	Confirmation *Confirmation
	// Reverts is the number of the unconfirmed revision that this one took back;
	// 0 where it is none.
	Reverts int64
	// Edits are empty where only a listing was asked for.
	Edits []RecordedEdit
}
