// Package configtest gives tests a configuration without a database: a store in
// memory that keeps the promises of config.Store and config.History, and a
// service on it.
package configtest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/policy"
)

// Memory is a store in memory. The zero value is empty.
type Memory struct {
	mu        sync.Mutex
	items     map[config.Ref]config.Item
	revisions []config.Revision
	drafts    map[string]config.Draft
	edits     map[string]map[config.Ref]config.DraftEdit // by draft
	failNext  error
	loseNext  error
}

var (
	_ config.Store   = (*Memory)(nil)
	_ config.History = (*Memory)(nil)

	_ config.DraftStore = (*Memory)(nil)
)

// FailNext makes the next Commit do nothing and return the error.
func (m *Memory) FailNext(err error) { m.failNext = err }

// LoseNext makes the next Commit take effect and return the error all the same.
func (m *Memory) LoseNext(err error) { m.loseNext = err }

// Documents returns what is stored.
func (m *Memory) Documents() map[config.Ref]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := map[config.Ref]string{}
	for ref, item := range m.items {
		list[ref] = string(item.Document)
	}
	return list
}

// Remove takes an item away without a revision, as if an earlier version of the
// program had not known it.
func (m *Memory) Remove(r config.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, r)
}

// Load is [config.Store.Load].
func (m *Memory) Load(_ context.Context, yield func(config.Item) error) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, item := range m.items {
		if err := yield(item); err != nil {
			return 0, err
		}
	}
	return int64(len(m.revisions)), nil
}

// Current is [config.Store.Current].
func (m *Memory) Current(_ context.Context, refs []config.Ref) (map[config.Ref]config.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := maps.Clone(m.items)
	maps.DeleteFunc(found, func(r config.Ref, _ config.Item) bool { return !slices.Contains(refs, r) })
	return found, nil
}

// Commit is [config.Store.Commit].
func (m *Memory) Commit(_ context.Context, base int64, r config.Revision, items []config.Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failNext; err != nil {
		m.failNext = nil
		return err
	}
	if newest := int64(len(m.revisions)); base != newest {
		return domain.E(domain.Stale, "the newest revision is %d", newest)
	}
	if err := m.settle(r); err != nil {
		return err
	}
	m.write(items)
	m.revisions = append(m.revisions, r)
	err := m.loseNext
	m.loseNext = nil
	return err
}

func (m *Memory) write(items []config.Item) {
	if m.items == nil {
		m.items = map[config.Ref]config.Item{}
	}
	for _, item := range items {
		ref := config.Ref{Kind: item.Kind, Key: item.Key}
		if item.Document == nil {
			delete(m.items, ref)
			continue
		}
		m.items[ref] = item
	}
}

// Items is [config.Store.Items].
func (m *Memory) Items(_ context.Context, k config.Kind, after string, limit int) ([]config.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []config.Item
	for ref, item := range m.items {
		if ref.Kind == k && ref.Key > after {
			list = append(list, item)
		}
	}
	slices.SortFunc(list, func(a, b config.Item) int { return strings.Compare(a.Key, b.Key) })
	return list[:min(limit, len(list))], nil
}

// Revision is [config.History.Revision].
func (m *Memory) Revision(_ context.Context, n int64) (config.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n < 1 || n > int64(len(m.revisions)) {
		return config.Revision{}, domain.E(domain.NotFound, "there is no revision %d", n)
	}
	return m.revisions[n-1], nil
}

// Revisions is [config.History.Revisions].
func (m *Memory) Revisions(_ context.Context, q config.RevisionQuery) ([]config.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []config.Revision
	for _, r := range m.revisions {
		if selected(q, r) {
			r.Edits = nil
			list = append(list, r)
		}
	}
	if !q.OldestFirst {
		slices.Reverse(list)
	}
	return list[:min(q.Limit, len(list))], nil
}

func selected(q config.RevisionQuery, r config.Revision) bool {
	edited := func(e config.RecordedEdit) bool {
		return (q.Kind == "" || e.Kind == q.Kind) && (q.Key == "" || e.Key == q.Key)
	}
	state := config.ConfirmationState("")
	if r.Confirmation != nil {
		state = r.Confirmation.State
	}
	return (q.Before == 0 || r.Number < q.Before) && r.Number > q.After && (q.Author == "" || r.Author == q.Author) &&
		(q.Kind == "" && q.Key == "" || slices.ContainsFunc(r.Edits, edited)) &&
		!r.At.Before(q.Since) && (q.Until.IsZero() || r.At.Before(q.Until)) &&
		strings.Contains(strings.ToLower(r.Comment), strings.ToLower(q.Comment)) &&
		(q.Confirmation == "" || q.Confirmation == state)
}

// StateAt is [config.History.StateAt].
func (m *Memory) StateAt(_ context.Context, n int64) ([]config.RecordedEdit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[config.Ref]bool{}
	var list []config.RecordedEdit
	for _, r := range m.revisions[n:] {
		for _, e := range r.Edits {
			if ref := (config.Ref{Kind: e.Kind, Key: e.Key}); !seen[ref] {
				seen[ref] = true
				list = append(list, e)
			}
		}
	}
	return list, nil
}

// Certificates answers config.Certificates for the ids "good" and
// "demonstration"; Active names the active one.
type Certificates struct{ Active string }

// CheckUsable is [config.Certificates.CheckUsable].
func (c Certificates) CheckUsable(_ context.Context, id string) (string, error) {
	if id == "" {
		id = c.Active
	}
	switch id {
	case "good":
		return "", nil
	case "demonstration":
		return "the demonstration certificate is insecure", nil
	}
	return "", domain.E(domain.Invalid, "there is no usable certificate %q", id)
}

// Sockets answers config.Sockets: every address is free.
type Sockets struct{}

// CheckBindable is [config.Sockets.CheckBindable].
func (Sockets) CheckBindable(context.Context, policy.Listener) error { return nil }

// Service returns a service on the store, whose active certificate is good.
func Service(tb testing.TB, store *Memory, certificates Certificates) *config.Service {
	tb.Helper()
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	s, err := config.NewService(context.Background(), config.Dependencies{
		Store: store, History: store, Certificates: certificates, Sockets: Sockets{}, Bus: new(event.Bus), Now: now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Seeded returns a service with the initial configuration of a fresh
// installation; its listeners are on ports that the system chooses.
func Seeded(tb testing.TB) (*config.Service, *Memory) {
	tb.Helper()
	store := new(Memory)
	s := Service(tb, store, Certificates{Active: "good"})
	if err := s.Seed(context.Background(), config.Seed{HostName: "mail.example.com"}); err != nil {
		tb.Fatal(err)
	}
	return s, store
}

// Commit commits edits that must be valid.
func Commit(tb testing.TB, s *config.Service, edits ...config.Edit) config.Result {
	tb.Helper()
	result, err := s.Commit(context.Background(), config.Change{Author: "test", Comment: tb.Name(), Edits: edits})
	if err != nil {
		tb.Fatal(err)
	}
	return result
}
