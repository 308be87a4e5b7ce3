package config

import (
	"context"
	"sync"
	"time"

	"postern/domain"
)

// DraftDependencies are what drafts work on.
type DraftDependencies struct {
	Service *Service
	Store   DraftStore
	Now     func() time.Time
	// NewID makes time-ordered ids.
	NewID func() string
}

// Drafts are the change sets that are being worked on, side by side (B69). A
// draft survives a restart; it takes effect by [Drafts.Commit] alone.
type Drafts struct {
	service *Service
	store   DraftStore
	now     func() time.Time
	newID   func() string

	editing sync.Mutex // held while a draft is changed
}

// NewDrafts returns the drafts of a configuration.
func NewDrafts(d DraftDependencies) *Drafts {
	return &Drafts{service: d.Service, store: d.Store, now: d.Now, newID: d.NewID}
}

// Open begins a draft. A Conflict says that too many are open.
func (d *Drafts) Open(ctx context.Context, author, comment string) (Draft, error) {
	d.editing.Lock()
	defer d.editing.Unlock()
	open, err := d.store.Drafts(ctx, DraftQuery{State: DraftOpen, Limit: MaxOpenDrafts})
	if err != nil {
		return Draft{}, domain.Wrap(err, "count the open drafts")
	}
	if len(open) >= MaxOpenDrafts {
		return Draft{}, domain.E(domain.Conflict, "%d drafts are open already: commit or discard one first", len(open))
	}
	now := d.now().UTC()
	draft := Draft{ID: d.newID(), Comment: comment, Author: author, CreatedAt: now, UpdatedAt: now, State: DraftOpen}
	return draft, domain.Wrap(d.store.PutDraft(ctx, draft), "open a draft")
}

// Draft returns a draft; NotFound where there is none of the id.
func (d *Drafts) Draft(ctx context.Context, id string) (Draft, error) {
	return d.store.Draft(ctx, id)
}

// List returns drafts, newest first.
func (d *Drafts) List(ctx context.Context, q DraftQuery) ([]Draft, error) {
	return d.store.Drafts(ctx, q)
}

// Describe changes the comment of an open draft. match, where there is one, holds
// against the draft as it is then.
func (d *Drafts) Describe(ctx context.Context, id, comment string, match func(Draft) error) (Draft, error) {
	return d.update(ctx, id, func(draft *Draft) error {
		if match != nil {
			if err := match(*draft); err != nil {
				return err
			}
		}
		draft.Comment = comment
		return nil
	})
}

// Discard ends an open draft without effect. Repeating it does nothing.
func (d *Drafts) Discard(ctx context.Context, id string) (Draft, error) {
	draft, err := d.store.Draft(ctx, id)
	if err == nil && draft.State == DraftDiscarded {
		return draft, nil
	}
	return d.update(ctx, id, func(draft *Draft) error {
		draft.State, draft.Edits = DraftDiscarded, 0
		return nil
	})
}

func (d *Drafts) update(ctx context.Context, id string, alter func(*Draft) error) (Draft, error) {
	d.editing.Lock()
	defer d.editing.Unlock()
	draft, err := d.openDraft(ctx, id)
	if err != nil {
		return Draft{}, err
	}
	if err := alter(&draft); err != nil {
		return Draft{}, err
	}
	draft.UpdatedAt = d.now().UTC()
	return draft, domain.Wrap(d.store.PutDraft(ctx, draft), "write draft %s", id)
}

// openDraft returns a draft that can still be edited.
func (d *Drafts) openDraft(ctx context.Context, id string) (Draft, error) {
	draft, err := d.store.Draft(ctx, id)
	if err != nil {
		return Draft{}, err
	}
	return draft, draft.checkOpen()
}
