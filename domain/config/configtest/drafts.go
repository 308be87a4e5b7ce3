package configtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/config"
)

// settle ends the draft that a revision comes from, and the wait of the one that
// it takes back.
func (m *Memory) settle(r config.Revision) error {
	if draft, ok := m.drafts[r.Draft]; r.Draft != "" {
		if !ok || draft.State != config.DraftOpen {
			return domain.E(domain.Conflict, "draft %s is not open", r.Draft)
		}
		draft.State, draft.Revision, draft.UpdatedAt = config.DraftCommitted, r.Number, r.At
		m.put(draft)
	}
	if r.Reverts == 0 {
		return nil
	}
	return m.confirm(r.Reverts, config.Confirmation{State: config.ConfirmationReverted, RevertedIn: r.Number})
}

// Confirm is [config.History.Confirm].
func (m *Memory) Confirm(_ context.Context, number int64, by string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.confirm(number, config.Confirmation{State: config.ConfirmationConfirmed, SettledBy: by})
}

func (m *Memory) confirm(number int64, settled config.Confirmation) error {
	r := &m.revisions[number-1]
	if r.Confirmation == nil || r.Confirmation.State != config.ConfirmationPending {
		return domain.E(domain.Conflict, "revision %d does not wait to be confirmed", number)
	}
	settled.By = r.Confirmation.By
	r.Confirmation = &settled
	return nil
}

// LastEdits is [config.History.LastEdits].
func (m *Memory) LastEdits(_ context.Context, refs []config.Ref) (map[config.Ref]config.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[config.Ref]config.Revision{}
	for _, r := range m.revisions {
		edits := r.Edits
		r.Edits = nil
		for _, e := range edits {
			if ref := (config.Ref{Kind: e.Kind, Key: e.Key}); slices.Contains(refs, ref) {
				found[ref] = r
			}
		}
	}
	return found, nil
}

// PutDraft is [config.DraftStore.PutDraft].
func (m *Memory) PutDraft(_ context.Context, d config.Draft) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(d)
	return nil
}

func (m *Memory) put(d config.Draft) {
	if m.drafts == nil {
		m.drafts, m.edits = map[string]config.Draft{}, map[string]map[config.Ref]config.DraftEdit{}
	}
	if d.State != config.DraftOpen {
		delete(m.edits, d.ID)
	}
	m.drafts[d.ID] = d
}

// Draft is [config.DraftStore.Draft].
func (m *Memory) Draft(_ context.Context, id string) (config.Draft, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.drafts[id]
	if !ok {
		return config.Draft{}, domain.E(domain.NotFound, "there is no draft %q", id)
	}
	d.Edits = len(m.edits[id])
	return d, nil
}

// Drafts is [config.DraftStore.Drafts].
func (m *Memory) Drafts(_ context.Context, q config.DraftQuery) ([]config.Draft, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []config.Draft
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(m.drafts))) {
		d := m.drafts[id]
		d.Edits = len(m.edits[id])
		if (q.State == "" || d.State == q.State) && (q.Before == "" || id < q.Before) && len(list) < q.Limit {
			list = append(list, d)
		}
	}
	return list, nil
}

// DraftEdits is [config.DraftStore.DraftEdits].
func (m *Memory) DraftEdits(_ context.Context, id string, q config.DraftEditQuery) ([]config.DraftEdit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []config.DraftEdit
	for ref, e := range m.edits[id] {
		named := q.Refs == nil || slices.Contains(q.Refs, ref)
		paged := q.Kind == "" || q.Kind == ref.Kind && ref.Key > q.After
		if named && paged {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b config.DraftEdit) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	if q.Limit > 0 {
		list = list[:min(q.Limit, len(list))]
	}
	return list, nil
}

// EditDraft is [config.DraftStore.EditDraft].
func (m *Memory) EditDraft(_ context.Context, id string, at time.Time, put []config.DraftEdit, drop []config.Ref) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.drafts[id]
	d.UpdatedAt = at
	m.drafts[id] = d
	if m.edits[id] == nil {
		m.edits[id] = map[config.Ref]config.DraftEdit{}
	}
	for _, e := range put {
		m.edits[id][e.Ref()] = e
	}
	for _, ref := range drop {
		delete(m.edits[id], ref)
	}
	return nil
}

// Drafts returns drafts of the service on its store; their ids count up.
func Drafts(tb testing.TB, s *config.Service, store *Memory) *config.Drafts {
	tb.Helper()
	var last atomic.Int64
	return config.NewDrafts(config.DraftDependencies{
		Service: s, Store: store,
		Now:   func() time.Time { return time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC) },
		NewID: func() string { return fmt.Sprintf("draft-%04d", last.Add(1)) },
	})
}
