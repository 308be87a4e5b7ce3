// Package jobtest gives tests a store of jobs without a database.
package jobtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/job"
)

// Memory is a store in memory that keeps the promises of [job.Store]. The zero
// value is empty.
type Memory struct {
	mu     sync.Mutex
	jobs   map[string]job.Job
	saves  int
	broken error
}

var _ job.Store = (*Memory)(nil)

// Break makes every Save fail with the error; nil mends the store.
func (m *Memory) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// Saves returns how many were made.
func (m *Memory) Saves() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

// Save is [job.Store.Save].
func (m *Memory) Save(_ context.Context, j job.Job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if m.jobs == nil {
		m.jobs = map[string]job.Job{}
	}
	m.saves++
	m.jobs[j.ID] = j
	return nil
}

// Get is [job.Store.Get].
func (m *Memory) Get(_ context.Context, id string) (job.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, ok := m.jobs[id]
	if !ok {
		return j, domain.E(domain.NotFound, "there is no job %q", id)
	}
	return j, nil
}

// List is [job.Store.List].
func (m *Memory) List(_ context.Context, q job.Query) ([]job.Job, error) {
	list := m.matching(func(j job.Job) bool {
		return (q.Before == "" || j.ID < q.Before) && j.ID > q.After && (q.State == "" || j.State == q.State) &&
			(q.Kind == "" || j.Kind == q.Kind) && (q.Subject == "" || j.Subject == q.Subject)
	})
	if !q.OldestFirst {
		slices.Reverse(list)
	}
	return list[:min(len(list), q.Limit)], nil
}

// Unfinished is [job.Store.Unfinished].
func (m *Memory) Unfinished(context.Context) ([]job.Job, error) {
	return m.matching(func(j job.Job) bool { return !j.State.Over() }), nil
}

// matching returns jobs, the oldest first.
func (m *Memory) matching(keep func(job.Job) bool) []job.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []job.Job
	for _, j := range m.jobs {
		if keep(j) {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(a, b job.Job) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Prune is [job.Store.Prune].
func (m *Memory) Prune(_ context.Context, before time.Time, keep int) error {
	over := m.matching(func(j job.Job) bool { return j.State.Over() })
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, j := range over {
		if j.FinishedAt.Before(before) || i < len(over)-keep {
			delete(m.jobs, j.ID)
		}
	}
	return nil
}
