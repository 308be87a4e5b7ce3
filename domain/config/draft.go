package config

import (
	"context"
	"encoding/json"
	"time"

	"postern/domain"
)

// Bounds of what drafts may hold.
const (
	// MaxOpenDrafts is how many drafts may be open at a time.
	MaxOpenDrafts = 100
	// MaxDraftEdits is how many items one draft may change.
	MaxDraftEdits = 100_000
)

// DraftState is what became of a draft.
type DraftState string

// The states of a draft. Only an open one can be edited.
const (
	DraftOpen      DraftState = "open"
	DraftCommitted DraftState = "committed"
	DraftDiscarded DraftState = "discarded"
)

// Draft is a set of edits on its way to become one revision (B69). It holds no
// configuration of its own, only what it does to items: the rest of what it shows
// is the configuration of now.
type Draft struct {
	ID        string // time-ordered
	Comment   string
	Author    string // who opened it
	CreatedAt time.Time
	UpdatedAt time.Time
	State     DraftState
	// Revision is the one that the commit made; 0 where there was none.
	Revision int64
	// Edits is the number of items that the draft changes; 0 where it is no
	// longer open.
	Edits int
}

// checkOpen refuses to work on a draft that has ended.
func (d Draft) checkOpen() error {
	switch d.State {
	case DraftOpen:
		return nil
	case DraftCommitted:
		return domain.E(domain.Conflict, "draft %s was committed as revision %d", d.ID, d.Revision)
	}
	return domain.E(domain.Conflict, "draft %s was discarded", d.ID)
}

// DraftEdit is what a draft does to one item. Several edits of an item are one:
// the last value counts, and the first state.
type DraftEdit struct {
	Kind Kind
	Key  string
	// Base is the entity tag of the item when the draft first touched it; empty
	// where the item did not exist. If the item has another one by now, the draft
	// is stale.
	Base string
	// After is the item as it shall be; nil deletes it.
	After json.RawMessage
}

// Ref names the item that the edit is about.
func (e DraftEdit) Ref() Ref { return Ref{e.Kind, e.Key} }

// item is the edited item as the draft shows it.
func (e DraftEdit) item(revision int64) Item {
	return Item{Kind: e.Kind, Key: e.Key, Document: e.After, ETag: tagOf(e.After), Revision: revision}
}

// DraftQuery selects drafts.
type DraftQuery struct {
	State  DraftState // empty: all
	Before string     // only drafts with ids below; empty: from the newest
	Limit  int
}

// DraftEditQuery selects edits of a draft: those of the named items, or a page of
// those of a kind, or all.
type DraftEditQuery struct {
	Refs []Ref // nil: not by name
	// Kind, After and Limit select up to Limit edits of the kind with keys after
	// the given one, in order of their keys.
	Kind  Kind
	After string
	Limit int
}

// DraftStore keeps drafts. [Store.Commit] ends the draft that a revision came
// from, in the transaction of the revision.
type DraftStore interface {
	// PutDraft writes a draft, new or not, without its edits. The edits of one
	// that is no longer open are forgotten.
	PutDraft(ctx context.Context, d Draft) error
	// Draft returns a draft; NotFound where there is none of the id.
	Draft(ctx context.Context, id string) (Draft, error)
	// Drafts returns the selected drafts, newest first.
	Drafts(ctx context.Context, q DraftQuery) ([]Draft, error)
	// DraftEdits returns the selected edits of a draft in order of kind and key.
	DraftEdits(ctx context.Context, id string, q DraftEditQuery) ([]DraftEdit, error)
	// EditDraft puts and drops edits in one transaction, and notes the time.
	EditDraft(ctx context.Context, id string, at time.Time, put []DraftEdit, drop []Ref) error
}
