package event

import (
	"context"
	"sync"
)

// Mark is a number that only rises, such as the revision that is applied, and
// that others can wait for. The zero value stands at 0. It is safe for
// concurrent use.
type Mark struct {
	mu     sync.Mutex
	value  int64
	raised chan struct{} // closed and forgotten at the next rise; nil when nobody waits
}

// Value returns where the mark stands.
func (m *Mark) Value() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.value
}

// Raise sets the mark to n and wakes all who wait; a lower or equal n changes
// nothing.
func (m *Mark) Raise(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n <= m.value {
		return
	}
	m.value = n
	if m.raised != nil {
		close(m.raised)
		m.raised = nil
	}
}

// Wait returns nil as soon as the mark stands at n or higher, or the context's
// error when that ends first.
func (m *Mark) Wait(ctx context.Context, n int64) error {
	for {
		raised := m.reached(n)
		if raised == nil {
			return nil
		}
		select {
		case <-raised:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reached returns nil when the mark stands at n, else the channel that the next
// rise closes.
func (m *Mark) reached(n int64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.value >= n {
		return nil
	}
	if m.raised == nil {
		m.raised = make(chan struct{})
	}
	return m.raised
}
