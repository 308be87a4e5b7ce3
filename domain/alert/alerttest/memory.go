// Package alerttest gives tests a store of alerts without a database.
package alerttest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/alert"
)

// Memory is a store in memory that keeps the promises of [alert.Store]. The
// zero value is empty.
type Memory struct {
	mu     sync.Mutex
	alerts map[string]alert.Alert
	broken error
}

var _ alert.Store = (*Memory)(nil)

// Break makes every Save fail with the error; nil mends the store.
func (m *Memory) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// Save is [alert.Store.Save].
func (m *Memory) Save(_ context.Context, a alert.Alert) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if m.alerts == nil {
		m.alerts = map[string]alert.Alert{}
	}
	m.alerts[a.ID] = a
	return nil
}

// Get is [alert.Store.Get].
func (m *Memory) Get(_ context.Context, id string) (alert.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.alerts[id]
	if !ok {
		return a, domain.E(domain.NotFound, "there is no alert %q", id)
	}
	return a, nil
}

// List is [alert.Store.List].
func (m *Memory) List(_ context.Context, q alert.Query) ([]alert.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []alert.Alert
	for _, a := range m.alerts {
		if matches(a, q) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b alert.Alert) int { return cmp.Compare(b.ID, a.ID) })
	if q.OldestFirst {
		slices.Reverse(list)
	}
	return list[:min(len(list), q.Limit)], nil
}

func matches(a alert.Alert, q alert.Query) bool {
	return (q.Before == "" || a.ID < q.Before) && a.ID > q.After &&
		(q.State == "" || a.State == q.State) &&
		(q.Type == "" || a.Type == q.Type) &&
		(q.Severity == "" || a.Severity == q.Severity) &&
		(!q.Unresolved || a.State != alert.Resolved)
}

// Prune is [alert.Store.Prune].
func (m *Memory) Prune(_ context.Context, before time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, a := range m.alerts {
		if a.ResolvedAt != nil && a.ResolvedAt.Before(before) {
			delete(m.alerts, id)
		}
	}
	return nil
}
