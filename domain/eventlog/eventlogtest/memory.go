// Package eventlogtest gives tests a store of events without a database.
package eventlogtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"postern/domain/eventlog"
)

// Memory is a store in memory that keeps the promises of [eventlog.Store]. The
// zero value is empty.
type Memory struct {
	mu     sync.Mutex
	events []eventlog.Event
	newest int64
	broken error
}

var _ eventlog.Store = (*Memory)(nil)

// Break makes every Append fail with the error; nil mends the store.
func (m *Memory) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// Append is [eventlog.Store.Append].
func (m *Memory) Append(_ context.Context, events []eventlog.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	for _, e := range events {
		m.newest++
		e.Number = m.newest
		m.events = append(m.events, e)
	}
	return nil
}

// Read is [eventlog.Store.Read].
func (m *Memory) Read(_ context.Context, q eventlog.Query) (eventlog.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	page := eventlog.Page{Oldest: m.newest + 1, Newest: m.newest}
	if len(m.events) > 0 {
		page.Oldest = m.events[0].Number
	}
	for _, e := range m.events {
		if e.Number > q.After && (q.Types == nil || slices.Contains(q.Types, e.Type)) && len(page.Events) < q.Limit {
			page.Events = append(page.Events, e)
		}
	}
	return page, nil
}

// Newest is [eventlog.Store.Newest].
func (m *Memory) Newest(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.newest, nil
}

// Prune is [eventlog.Store.Prune].
func (m *Memory) Prune(_ context.Context, before time.Time, keep int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = slices.DeleteFunc(m.events, func(e eventlog.Event) bool {
		return e.At.Before(before) || e.Number <= m.newest-keep
	})
	return false, nil
}
