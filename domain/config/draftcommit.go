package config

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"postern/domain"
)

// Clash is an item that a draft changes and that was changed underneath (B69).
type Clash struct {
	Ref
	// Revision is the newest one that changed the item, without its edits.
	Revision Revision
}

// DraftDiff is what a draft would change now.
type DraftDiff struct {
	// Edits lead from the configuration of now to that of the draft.
	Edits []RecordedEdit
	// Clashes are the items that changed since the draft first touched them.
	Clashes []Clash
}

// DraftReport is what stands in the way of a draft.
type DraftReport struct {
	// Faults keep it from being committed. Their pointers begin with the kind and
	// the key of the item.
	Faults domain.Faults
	// Warnings are what an administrator should look at.
	Warnings domain.Faults
	// Clashes are the items that changed underneath.
	Clashes []Clash
}

// draftItem is an edit of a draft, and the item as it is now.
type draftItem struct {
	DraftEdit
	now Item // zero where the item does not exist
}

// items returns those edits of a draft that would change something now. What
// another change has brought about already is nothing to do, and no clash.
func (d *Drafts) items(ctx context.Context, id string) ([]draftItem, error) {
	edits, err := d.store.DraftEdits(ctx, id, DraftEditQuery{})
	if err != nil {
		return nil, domain.Wrap(err, "read draft %s", id)
	}
	refs := make([]Ref, len(edits))
	for i, e := range edits {
		refs[i] = e.Ref()
	}
	current, err := d.service.store.Current(ctx, refs)
	if err != nil {
		return nil, domain.Wrap(err, "read the items that draft %s changes", id)
	}
	var items []draftItem
	for _, e := range edits {
		if now := current[e.Ref()]; !bytes.Equal(now.Document, e.After) {
			items = append(items, draftItem{DraftEdit: e, now: now})
		}
	}
	return items, nil
}

// clashes names the items that changed underneath, and who changed them.
func (d *Drafts) clashes(ctx context.Context, items []draftItem) ([]Clash, error) {
	var refs []Ref
	for _, i := range items {
		if i.Base != i.now.ETag {
			refs = append(refs, i.Ref())
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	touched, err := d.service.history.LastEdits(ctx, refs)
	if err != nil {
		return nil, domain.Wrap(err, "ask who changed the items")
	}
	clashes := make([]Clash, len(refs))
	for i, ref := range refs {
		clashes[i] = Clash{Ref: ref, Revision: touched[ref]}
	}
	return clashes, nil
}

// staleError tells of clashes, item by item.
func staleError(id string, clashes []Clash) error {
	if len(clashes) == 0 {
		return nil
	}
	stale := domain.E(domain.Stale, "draft %s is stale: %d of its items changed underneath; look at its diff, then rebase it onto the revision that you have seen", id, len(clashes))
	for _, c := range clashes {
		stale.Faults.Add(pointerTo(c.Ref), "was changed by %s in revision %d at %s (%q)",
			c.Revision.Author, c.Revision.Number, c.Revision.At.UTC().Format("2006-01-02T15:04:05Z"), c.Revision.Comment)
	}
	return stale
}

// pointerTo leads to an item in a draft as a document of items by kind and key.
func pointerTo(r Ref) string {
	key := strings.NewReplacer("~", "~0", "/", "~1").Replace(r.Key) // RFC 6901 §3
	return "/" + string(r.Kind) + "/" + key
}

// Preconditions of the change that a draft becomes.
const (
	conditional   = true  // no item may have changed underneath
	unconditional = false // whatever the items are now
)

// editsFrom makes the edits of a draft those of a change.
func editsFrom(items []draftItem, onBase bool) ([]Edit, error) {
	edits := make([]Edit, len(items))
	for i, item := range items {
		value, err := decode(item.Kind, item.Key, item.After)
		if err != nil {
			return nil, err
		}
		edits[i] = Edit{Kind: item.Kind, Key: item.Key, Value: value, At: pointerTo(item.Ref())}
		if onBase {
			edits[i].IfMatch, edits[i].IfNoneMatch = item.Base, item.Base == ""
		}
	}
	return edits, nil
}

// Diff tells what an open draft would change now.
func (d *Drafts) Diff(ctx context.Context, id string) (DraftDiff, error) {
	if _, err := d.openDraft(ctx, id); err != nil {
		return DraftDiff{}, err
	}
	items, err := d.items(ctx, id)
	if err != nil {
		return DraftDiff{}, err
	}
	var diff DraftDiff
	for _, i := range items {
		diff.Edits = append(diff.Edits, RecordedEdit{Kind: i.Kind, Key: i.Key, Before: i.now.Document, After: i.After})
	}
	diff.Clashes, err = d.clashes(ctx, items)
	return diff, err
}

// Validate makes the checks of a commit and tells everything that it finds.
func (d *Drafts) Validate(ctx context.Context, id string) (DraftReport, error) {
	if _, err := d.openDraft(ctx, id); err != nil {
		return DraftReport{}, err
	}
	items, err := d.items(ctx, id)
	if err != nil {
		return DraftReport{}, err
	}
	var report DraftReport
	if report.Clashes, err = d.clashes(ctx, items); err != nil {
		return DraftReport{}, err
	}
	edits, err := editsFrom(items, unconditional)
	if err != nil {
		return DraftReport{}, err
	}
	preview, err := d.service.Preview(ctx, Change{Edits: edits})
	report.Warnings = preview.Result.Warnings
	report.Faults, err = faultsOf(err)
	return report, err
}

// faultsOf makes the refusal of a change a list of faults; another error stays.
func faultsOf(err error) (domain.Faults, error) {
	refusal, known := errors.AsType[*domain.Error](err)
	switch {
	case err == nil:
		return nil, nil
	case !known || refusal.Kind != domain.Invalid && refusal.Kind != domain.Conflict:
		return nil, err
	case len(refusal.Faults) > 0:
		return refusal.Faults, nil
	}
	return domain.Faults{{Pointer: refusal.Field, Message: refusal.Detail}}, nil
}

// Commit makes an open draft one revision, and ends it with the same stroke. A
// Stale error names every item that changed underneath; Invalid has all faults.
// Repeating the commit of a draft that is committed returns its revision.
func (d *Drafts) Commit(ctx context.Context, id string, act Act) (Result, error) {
	d.editing.Lock()
	defer d.editing.Unlock()
	draft, err := d.store.Draft(ctx, id)
	if err != nil {
		return Result{}, err
	}
	if draft.State == DraftCommitted {
		return Result{Revision: draft.Revision}, nil
	}
	if err := draft.checkOpen(); err != nil {
		return Result{}, err
	}
	if act.Comment == "" {
		act.Comment = draft.Comment
	}
	result, err := d.commit(ctx, id, act)
	if err != nil && domain.KindOf(err) == domain.Stale {
		return Result{}, errors.Join(d.checkStale(ctx, id), err) // perhaps changed just now
	}
	return result, err
}

func (d *Drafts) commit(ctx context.Context, id string, act Act) (Result, error) {
	items, err := d.items(ctx, id)
	if err != nil {
		return Result{}, err
	}
	if len(items) == 0 {
		return Result{}, domain.E(domain.Conflict, "draft %s changes nothing: discard it", id)
	}
	edits, err := editsFrom(items, conditional)
	if err != nil {
		return Result{}, err
	}
	change := act.change(edits)
	change.draft = id
	return d.service.Commit(ctx, change)
}

func (d *Drafts) checkStale(ctx context.Context, id string) error {
	items, err := d.items(ctx, id)
	if err != nil {
		return err
	}
	clashes, err := d.clashes(ctx, items)
	return errors.Join(err, staleError(id, clashes))
}

// Rebase puts a stale draft onto the configuration of now, whose revisions up to
// seen the caller has looked at: where both changed an item, the draft's value
// will count. A Stale error names the items that changed after that.
func (d *Drafts) Rebase(ctx context.Context, id string, seen int64) (Draft, error) {
	if newest := d.service.Snapshot().Revision; seen < 1 || seen > newest {
		return Draft{}, domain.E(domain.Invalid, "there is no revision %d; the newest is %d", seen, newest)
	}
	d.editing.Lock()
	defer d.editing.Unlock()
	if _, err := d.openDraft(ctx, id); err != nil {
		return Draft{}, err
	}
	items, err := d.items(ctx, id)
	if err != nil {
		return Draft{}, err
	}
	clashes, err := d.clashes(ctx, items)
	if err != nil {
		return Draft{}, err
	}
	unseen := slices.DeleteFunc(slices.Clone(clashes), func(c Clash) bool { return c.Revision.Number <= seen })
	if err := staleError(id, unseen); err != nil {
		return Draft{}, err
	}
	if err := d.putOnto(ctx, id, items, clashes); err != nil {
		return Draft{}, err
	}
	return d.store.Draft(ctx, id)
}

// putOnto makes the state of now the base of the items that clash.
func (d *Drafts) putOnto(ctx context.Context, id string, items []draftItem, clashes []Clash) error {
	stale := map[Ref]bool{}
	for _, c := range clashes {
		stale[c.Ref] = true
	}
	var put []DraftEdit
	for _, i := range items {
		if stale[i.Ref()] {
			i.Base = i.now.ETag
			put = append(put, i.DraftEdit)
		}
	}
	if len(put) == 0 {
		return nil
	}
	return domain.Wrap(d.store.EditDraft(ctx, id, d.now().UTC(), put, nil), "rebase draft %s", id)
}
