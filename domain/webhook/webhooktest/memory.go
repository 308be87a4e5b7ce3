// Package webhooktest gives tests a store of webhooks without a database.
package webhooktest

import (
	"context"
	"slices"
	"sync"

	"postern/domain"
	"postern/domain/webhook"
)

// Memory is a store in memory that keeps the promises of [webhook.Store], except
// that it never forgets deliveries of old events. The zero value is empty.
type Memory struct {
	mu         sync.Mutex
	states     map[string]webhook.State
	deliveries []webhook.Delivery
}

var _ webhook.Store = (*Memory)(nil)

// State is [webhook.Store.State].
func (m *Memory) State(_ context.Context, name string) (webhook.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.states[name]
	if !ok {
		return s, domain.E(domain.NotFound, "webhook %q has not begun", name)
	}
	return s, nil
}

// Save is [webhook.Store.Save].
func (m *Memory) Save(_ context.Context, s *webhook.State, d *webhook.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s != nil {
		if m.states == nil {
			m.states = map[string]webhook.State{}
		}
		m.states[s.Webhook] = *s
	}
	if d == nil {
		return nil
	}
	if i := m.find(d.Webhook, d.Event); i >= 0 {
		m.deliveries[i] = *d
	} else {
		m.deliveries = append(m.deliveries, *d)
	}
	return nil
}

func (m *Memory) find(name string, event int64) int {
	return slices.IndexFunc(m.deliveries, func(d webhook.Delivery) bool { return d.Webhook == name && d.Event == event })
}

// Delivery is [webhook.Store.Delivery].
func (m *Memory) Delivery(_ context.Context, name string, event int64) (webhook.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(name, event)
	if i < 0 {
		return webhook.Delivery{}, domain.E(domain.NotFound, "webhook %q has no delivery of event %d", name, event)
	}
	return m.deliveries[i], nil
}

// Deliveries is [webhook.Store.Deliveries].
func (m *Memory) Deliveries(_ context.Context, q webhook.Query) ([]webhook.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []webhook.Delivery
	for _, d := range m.deliveries {
		if d.Webhook == q.Webhook && (q.Before == 0 || d.Event < q.Before) && (q.Outcome == "" || d.Outcome == q.Outcome) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b webhook.Delivery) int { return int(b.Event - a.Event) })
	return list[:min(len(list), q.Limit)], nil
}

// Keep is [webhook.Store.Keep].
func (m *Memory) Keep(_ context.Context, names []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.states {
		if !slices.Contains(names, name) {
			delete(m.states, name)
		}
	}
	m.deliveries = slices.DeleteFunc(m.deliveries, func(d webhook.Delivery) bool { return !slices.Contains(names, d.Webhook) })
	return nil
}
