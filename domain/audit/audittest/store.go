// Package audittest has a store of the audit log in memory, for tests.
package audittest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/domain/audit"
)

// Store keeps the log in memory. What is in it may be tampered with between
// calls.
type Store struct {
	mu   sync.Mutex
	Log  []audit.Entry // oldest first
	Ends audit.Ends
	// Full lets nothing more be written.
	Full bool
}

var _ audit.Store = (*Store)(nil)

// Append is [audit.Store.Append].
func (s *Store) Append(_ context.Context, chain func(audit.Ends) (audit.Entry, audit.Ends)) (audit.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Full {
		return audit.Entry{}, errors.New("the disk is full")
	}
	entry, ends := chain(s.Ends)
	s.Log, s.Ends = append(s.Log, entry), ends
	return entry, nil
}

// Fill sets whether anything can be written.
func (s *Store) Fill(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Full = full
}

// Entries is [audit.Store.Entries].
func (s *Store) Entries(_ context.Context, q audit.Query) (found []audit.Entry, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := slices.Clone(s.Log)
	if !q.OldestFirst {
		slices.Reverse(log)
	}
	for _, e := range log {
		if picks(q, e) && len(found) < q.Limit {
			found = append(found, e)
		}
	}
	return found, nil
}

func picks(q audit.Query, e audit.Entry) bool {
	return (q.Actor == "" || q.Actor == e.Actor) &&
		(q.Operation == "" || q.Operation == e.Operation) &&
		(q.From == "" || q.From == e.From) &&
		(q.Phase == "" || q.Phase == e.Phase) &&
		strings.HasPrefix(e.Target, q.Target) &&
		e.Number > q.After && (q.Before == 0 || e.Number < q.Before) &&
		(q.Since.IsZero() || !e.At.Before(q.Since)) &&
		(q.Until.IsZero() || e.At.Before(q.Until))
}

// Walk is [audit.Store.Walk].
func (s *Store) Walk(_ context.Context, ends func(audit.Ends), each func(audit.Entry) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends(s.Ends)
	for _, e := range s.Log {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// Prune is [audit.Store.Prune].
func (s *Store) Prune(_ context.Context, before time.Time) (removed int64, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.Log) > 0 && s.Log[0].At.Before(before) {
		s.Ends.Pruned = audit.End{Number: s.Log[0].Number, Hash: s.Log[0].Hash}
		s.Log = s.Log[1:]
		removed++
	}
	return removed, nil
}
