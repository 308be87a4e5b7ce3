package session

import (
	"context"
	"sync"

	"postern/domain"
)

// Writer makes records durable.
type Writer interface {
	AddSessions(ctx context.Context, records []Record) error
}

// Bounds of the memory for records that wait to be written.
const (
	maxPending  = 20_000
	wakePending = 1_000 // worth a write before its time
)

// Recorder collects records and writes them in batches. It is safe for
// concurrent use, and recording never waits for the store.
type Recorder struct {
	store Writer
	full  chan struct{}

	mu      sync.Mutex
	pending []Record
	dropped int64
}

// NewRecorder returns a recorder without records.
func NewRecorder(store Writer) *Recorder {
	return &Recorder{store: store, full: make(chan struct{}, 1)}
}

// Record takes a record over. One that finds no room is dropped and counted.
func (r *Recorder) Record(one Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) >= maxPending {
		r.dropped++
		return
	}
	r.pending = append(r.pending, one)
	if len(r.pending) >= wakePending {
		select {
		case r.full <- struct{}{}:
		default: // it has been said
		}
	}
}

// Full tells when a flush is worth its while before its time.
func (r *Recorder) Full() <-chan struct{} { return r.full }

// Dropped returns how many records were lost since the start.
func (r *Recorder) Dropped() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Flush writes what is pending. What could not be written is kept for the next
// time, as far as there is room.
func (r *Recorder) Flush(ctx context.Context) error {
	r.mu.Lock()
	batch := r.pending
	r.pending = nil
	r.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := r.store.AddSessions(ctx, batch)
	if err != nil {
		r.putBack(batch)
	}
	return domain.Wrap(err, "store the sessions")
}

// putBack keeps the newest records: the ones that were to be written go first.
func (r *Recorder) putBack(batch []Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(batch, r.pending...)
	over := max(len(all)-maxPending, 0)
	r.dropped += int64(over)
	r.pending = all[over:]
}
