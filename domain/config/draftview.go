package config

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"postern/domain"
)

// DraftView is the configuration as a draft would make it: it is read and changed
// like the [Service], and what is changed goes into the draft (B69).
type DraftView struct {
	drafts *Drafts
	id     string
}

// View returns the configuration as an open draft would make it.
func (d *Drafts) View(ctx context.Context, id string) (*DraftView, error) {
	if _, err := d.openDraft(ctx, id); err != nil {
		return nil, err
	}
	return &DraftView{drafts: d, id: id}, nil
}

// Status says how far the committed configuration is applied: a draft never is.
func (v *DraftView) Status() Status { return v.drafts.service.Status() }

// WaitApplied returns at once: nothing of a draft is going to be applied.
func (v *DraftView) WaitApplied(context.Context, int64) error { return nil }

// Snapshot returns the configuration as it would be, compiled; an Invalid error
// where it could not be.
func (v *DraftView) Snapshot(ctx context.Context) (*Snapshot, error) {
	items, err := v.drafts.items(ctx, v.id)
	if err != nil {
		return nil, err
	}
	edits, err := editsFrom(items, unconditional)
	if err != nil {
		return nil, err
	}
	preview, err := v.drafts.service.Preview(ctx, Change{Edits: edits})
	return preview.Snapshot, domain.Wrap(err, "compile draft %s", v.id)
}

// Get returns one item as it would be, in stored and in typed form.
func (v *DraftView) Get(ctx context.Context, k Kind, key string) (Item, Value, error) {
	edits, err := v.drafts.editsOf(ctx, v.id, []Ref{{k, key}})
	if err != nil {
		return Item{}, nil, err
	}
	e, edited := edits[Ref{k, key}]
	switch {
	case !edited:
		return v.drafts.service.Get(ctx, k, key)
	case e.After == nil:
		return Item{}, nil, domain.E(domain.NotFound, "there is no %s %q in the draft", words(k), key)
	}
	value, err := decode(k, key, e.After)
	return e.item(v.revision()), value, err
}

func (v *DraftView) revision() int64 { return v.drafts.service.Snapshot().Revision }

// List returns up to limit items of a kind, as they would be, with keys after the
// given one. It reads on until the page is full: a draft may delete whole pages.
func (v *DraftView) List(ctx context.Context, k Kind, after string, limit int) ([]Item, error) {
	var list []Item
	for {
		live, err := v.drafts.service.List(ctx, k, after, limit)
		if err != nil {
			return nil, err
		}
		edits, err := v.drafts.store.DraftEdits(ctx, v.id, DraftEditQuery{Kind: k, After: after, Limit: limit})
		if err != nil {
			return nil, domain.Wrap(err, "list the edits of draft %s", v.id)
		}
		page, horizon := overlay(live, edits, limit, v.revision())
		list = append(list, page...)
		if horizon == "" || len(list) >= limit {
			return list[:min(len(list), limit)], nil
		}
		after = horizon
	}
}

// overlay lays a page of edits over a page of items, both in order of their keys.
// What lies beyond the end of a full page is not known: the result ends there, at
// the horizon, which is empty where neither page was full.
func overlay(live []Item, edits []DraftEdit, limit int, revision int64) (list []Item, horizon string) {
	merged := map[string]Item{}
	if len(live) == limit {
		horizon = live[limit-1].Key
	}
	if len(edits) == limit && (horizon == "" || edits[limit-1].Key < horizon) {
		horizon = edits[limit-1].Key
	}
	for _, item := range live {
		merged[item.Key] = item
	}
	for _, e := range edits {
		merged[e.Key] = e.item(revision)
	}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		if item := merged[key]; item.Document != nil && (horizon == "" || strings.Compare(key, horizon) <= 0) {
			list = append(list, item)
		}
	}
	return list, horizon
}

// Commit puts the edits into the draft. The faults that a value has by itself are
// refused at once, as preconditions that fail are; those of the whole are not
// looked at before the draft is validated or committed, since a draft may be
// incomplete in between. The result's revision is that of now.
func (v *DraftView) Commit(ctx context.Context, c Change) (Result, error) {
	d := v.drafts
	d.editing.Lock()
	defer d.editing.Unlock()
	draft, err := d.openDraft(ctx, v.id)
	if err != nil {
		return Result{}, err
	}
	w, err := d.examine(ctx, v.id, c.Edits)
	if err != nil {
		return Result{}, err
	}
	if draft.Edits+w.added > MaxDraftEdits {
		return Result{}, domain.E(domain.Conflict, "a draft may change %d items: commit it first", MaxDraftEdits)
	}
	if len(w.put)+len(w.drop) > 0 {
		err = d.store.EditDraft(ctx, v.id, d.now().UTC(), w.put, w.drop)
	}
	return Result{Revision: v.revision(), Items: w.items}, domain.Wrap(err, "write into draft %s", v.id)
}

// draftWork is what edits come to in a draft.
type draftWork struct {
	items []Item // as the draft will show them, in the order of the edits
	put   []DraftEdit
	drop  []Ref // what the draft no longer changes
	added int   // edits of items that the draft did not change before
}

// examine checks edits and merges them with what the draft does to their items.
func (d *Drafts) examine(ctx context.Context, id string, edits []Edit) (draftWork, error) {
	known, err := d.editsOf(ctx, id, withTables(refsOf(edits)))
	if err != nil {
		return draftWork{}, err
	}
	edits = withCompanions(func(listener string) bool {
		if e, edited := known[Ref{KindHostAccessTable, listener}]; edited {
			return e.After != nil
		}
		return d.service.Snapshot().hasAccess(listener)
	}, edits)
	live, err := d.service.store.Current(ctx, refsOf(edits))
	if err != nil {
		return draftWork{}, domain.Wrap(err, "read the items to change")
	}
	if err := checkPreconditions(edits, shown(live, known)); err != nil {
		return draftWork{}, err
	}
	if err := ownFaults(edits).Err(); err != nil {
		return draftWork{}, err
	}
	var w draftWork
	for _, e := range edits {
		if err := w.merge(e, known, live[e.Ref()]); err != nil {
			return draftWork{}, err
		}
	}
	return w, nil
}

// withTables adds the host access tables of the listeners among the items.
func withTables(refs []Ref) []Ref {
	for _, r := range refs {
		if table := (Ref{KindHostAccessTable, r.Key}); r.Kind == KindListener && !slices.Contains(refs, table) {
			refs = append(refs, table)
		}
	}
	return refs
}

// shown are items as a draft shows them.
func shown(live map[Ref]Item, edits map[Ref]DraftEdit) map[Ref]Item {
	items := maps.Clone(live)
	for ref, e := range edits {
		delete(items, ref)
		if e.After != nil {
			items[ref] = e.item(0)
		}
	}
	return items
}

// ownFaults are those that values have by themselves.
func ownFaults(edits []Edit) (faults domain.Faults) {
	for i, own := range validateEdits(edits) {
		edits[i].locate(&faults, own)
	}
	return faults
}

// merge takes one edit into the draft. An item that ends as it began is no longer
// changed by the draft.
func (w *draftWork) merge(e Edit, known map[Ref]DraftEdit, live Item) error {
	before, edited := known[e.Ref()]
	merged := DraftEdit{Kind: e.Kind, Key: e.Key, Base: live.ETag}
	if edited {
		merged.Base = before.Base
	}
	if e.Value != nil {
		document, err := json.Marshal(e.Value)
		if err != nil {
			return domain.Wrap(err, "write %s %q as a document", e.Kind, e.Key)
		}
		merged.After = document
	}
	w.items = append(w.items, merged.item(live.Revision))
	switch {
	case merged.Base == tagOf(merged.After) && !edited:
	case merged.Base == tagOf(merged.After):
		w.drop = append(w.drop, e.Ref())
	case edited && bytes.Equal(before.After, merged.After):
	default:
		w.put = append(w.put, merged)
		if !edited {
			w.added++
		}
	}
	return nil
}

// tagOf is the entity tag of a document; empty where there is none.
func tagOf(document []byte) string {
	if document == nil {
		return ""
	}
	return ETagOf(document)
}

// editsOf returns what a draft does to the named items.
func (d *Drafts) editsOf(ctx context.Context, id string, refs []Ref) (map[Ref]DraftEdit, error) {
	list, err := d.store.DraftEdits(ctx, id, DraftEditQuery{Refs: refs})
	if err != nil {
		return nil, domain.Wrap(err, "read draft %s", id)
	}
	edits := make(map[Ref]DraftEdit, len(list))
	for _, e := range list {
		edits[e.Ref()] = e
	}
	return edits, nil
}
