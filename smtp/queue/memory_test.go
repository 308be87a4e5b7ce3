package queue

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// memoryStore is a store that keeps messages as the disk would.
type memoryStore struct {
	mu       sync.Mutex
	messages map[delivery.MessageID]*stored
	batches  int
	biggest  int // accepted messages in one batch
	attempts map[delivery.MessageID][]delivery.Attempt
	loaded   int   // messages handed out
	full     error // for Write and Probe
	low      error // for Probe
	reading  error // for Waiting
	pruned   []time.Time
	// gate, where set, holds up each write until it gets a value.
	gate chan struct{}
}

type stored struct {
	m        delivery.Message
	fences   []int64
	finished bool
}

func newMemoryStore() *memoryStore {
	return &memoryStore{messages: map[delivery.MessageID]*stored{}, attempts: map[delivery.MessageID][]delivery.Attempt{}}
}

func (s *memoryStore) Write(_ context.Context, b *delivery.Batch) (w delivery.Written, err error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		return w, s.full
	}
	for _, m := range b.Accepted {
		if s.messages[m.ID] != nil {
			return w, domain.E(domain.Conflict, "twice")
		}
	}
	s.batches++
	s.biggest = max(s.biggest, len(b.Accepted))
	s.insert(b.Accepted)
	for i, settlement := range b.Settlements {
		if !s.settle(settlement) {
			w.Stale = append(w.Stale, i)
		}
	}
	w.Waiting = map[mailaddr.DomainName]int{}
	for _, c := range b.Changes {
		w.Changed = append(w.Changed, s.change(c, w.Waiting))
	}
	return w, nil
}

func (s *memoryStore) insert(messages []*delivery.Message) {
	for _, m := range messages {
		copied := *m
		copied.Recipients = slices.Clone(m.Recipients)
		reader, _ := m.Body.Open()
		var body bytes.Buffer
		_, _ = body.ReadFrom(reader)
		copied.Body = delivery.BytesBody(body.Bytes())
		s.messages[m.ID] = &stored{m: copied, fences: make([]int64, len(m.Recipients))}
	}
}

func (s *memoryStore) settle(t *delivery.Settlement) bool {
	m := s.messages[t.Attempt.Message]
	for _, p := range t.Progress {
		if m == nil || m.fences[p.Recipient] != p.Fence {
			return false
		}
	}
	for _, p := range t.Progress {
		m.fences[p.Recipient]++
		r := &m.m.Recipients[p.Recipient]
		r.State, r.Attempts, r.NextAttempt, r.Last = p.State, p.Attempts, p.NextAttempt, p.Last
	}
	m.m.DelayNoticeSent = m.m.DelayNoticeSent || t.DelayNotice
	m.finished = m.finished || t.Last
	s.attempts[t.Attempt.Message] = append(s.attempts[t.Attempt.Message], t.Attempt)
	s.insert(t.Notices)
	return true
}

func (s *memoryStore) change(c delivery.Change, waiting map[mailaddr.DomainName]int) (changed []delivery.MessageID) {
	for _, id := range c.Messages {
		m := s.messages[id]
		if m == nil || m.finished || c.Action == delivery.ActionHold == m.m.Held && c.Action != delivery.ActionDelete && c.Action != delivery.ActionRetry {
			continue
		}
		changed = append(changed, id)
		before := m.waiting()
		switch c.Action {
		case delivery.ActionHold, delivery.ActionRelease:
			m.m.Held, m.m.HeldReason = c.Action == delivery.ActionHold, ""
			if m.m.Held {
				m.m.HeldReason = c.HeldReason
			}
		case delivery.ActionDelete:
			m.finished = true
		}
		for i := range m.m.Recipients {
			r := &m.m.Recipients[i]
			m.fences[i]++
			if c.Action == delivery.ActionDelete && !r.State.Final() {
				r.State = delivery.RecipientDeleted
			}
			r.NextAttempt = c.At
		}
		after := m.waiting()
		for d := range before {
			waiting[d] += after[d] - before[d]
		}
		for d := range after {
			waiting[d] += 0
			if before[d] == 0 {
				waiting[d] += after[d]
			}
		}
	}
	return changed
}

func (m *stored) waiting() map[mailaddr.DomainName]int {
	counts := map[mailaddr.DomainName]int{}
	for _, r := range m.m.Recipients {
		if !m.m.Held && !r.State.Final() {
			counts[delivery.Destination(r.Address)]++
		}
	}
	return counts
}

func (s *memoryStore) Backlog(context.Context) (list []delivery.Backlog, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading != nil {
		return nil, s.reading
	}
	found := map[mailaddr.DomainName]*delivery.Backlog{}
	for _, m := range s.messages {
		for d, n := range m.waiting() {
			if found[d] == nil {
				found[d] = &delivery.Backlog{Destination: d}
			}
			found[d].Recipients += n
			found[d].Next = earliest(found[d].Next, m.next(d))
		}
	}
	for _, b := range found {
		list = append(list, *b)
	}
	return list, nil
}

// next returns the earliest next attempt for a destination; zero: none.
func (m *stored) next(d mailaddr.DomainName) (next time.Time) {
	for _, r := range m.m.Recipients {
		if !m.m.Held && !r.State.Final() && delivery.Destination(r.Address) == d {
			next = earliest(next, r.NextAttempt)
		}
	}
	return next
}

func (s *memoryStore) Waiting(_ context.Context, q delivery.WaitingQuery) (page delivery.WaitingPage, err error) {
	due := func(m *stored) bool {
		next := m.next(q.Destination)
		if next.IsZero() {
			return false
		}
		late := next.After(q.Due) && !next.After(q.Horizon)
		if late {
			page.Next = earliest(page.Next, next)
		}
		return !late
	}
	err = s.page(&page, due, q.Skip, q.Limit, q.Destination)
	return page, err
}

func (s *memoryStore) Overdue(_ context.Context, q delivery.OverdueQuery) (page delivery.WaitingPage, err error) {
	due := func(m *stored) bool {
		return !m.next(q.Destination).IsZero() && (m.m.ReceivedAt.Before(q.Expired) ||
			!m.m.DelayNoticeSent && m.m.ReceivedAt.Before(q.Untold))
	}
	err = s.page(&page, due, q.Skip, q.Limit, q.Destination)
	return page, err
}

func (s *memoryStore) page(page *delivery.WaitingPage, due func(*stored) bool, skip func(delivery.MessageID) bool, limit int, d mailaddr.DomainName) error {
	s.mu.Lock()
	var list []delivery.Queued
	for _, id := range slices.Sorted(maps.Keys(s.messages)) {
		m := s.messages[id]
		if due(m) {
			copied := m.m
			copied.Recipients = slices.Clone(m.m.Recipients)
			list = append(list, delivery.Queued{Message: &copied, Fences: slices.Clone(m.fences)})
		}
	}
	err := s.reading
	s.mu.Unlock()
	if err != nil {
		return err
	}
	next := func(q delivery.Queued) time.Time { return (&stored{m: *q.Message}).next(d) }
	slices.SortStableFunc(list, func(a, b delivery.Queued) int { return next(a).Compare(next(b)) })
	for _, q := range list {
		if skip(q.ID) {
			continue
		}
		if len(page.Messages) == limit {
			page.More = true
			break
		}
		page.Messages = append(page.Messages, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded += len(page.Messages)
	return nil
}

func (s *memoryStore) Probe(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.full, s.low)
}

func (s *memoryStore) Select(_ context.Context, f delivery.MessageFilter, above delivery.MessageID, limit int) (ids []delivery.MessageID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.messages)) {
		m := s.messages[id]
		if id > above && !m.finished && len(ids) < limit && cmp.Or(f.State == "", (f.State == delivery.StateHeld) == m.m.Held) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *memoryStore) Prune(_ context.Context, before time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruned = append(s.pruned, before)
	return len(s.pruned) < 3, nil
}

// setFull makes writes fail, or succeed again.
func (s *memoryStore) setFull(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = err
}

// get returns a message as the disk has it.
func (s *memoryStore) get(id delivery.MessageID) delivery.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[id].m
	m.Recipients = slices.Clone(m.Recipients)
	return m
}

// notices returns the messages from the null sender, oldest first.
func (s *memoryStore) notices() (list []delivery.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.messages)) {
		if m := s.messages[id]; m.m.Sender.IsNull() {
			list = append(list, m.m)
		}
	}
	return list
}

// unfinished counts the messages with recipients left.
func (s *memoryStore) unfinished() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if !m.finished {
			n++
		}
	}
	return n
}

// memorySpool keeps big bodies in memory, as the disk would.
type memorySpool struct {
	mu    sync.Mutex
	files map[delivery.MessageID]*bytes.Buffer
	err   error
}

func (s *memorySpool) Spool(id delivery.MessageID) (delivery.BodyWriter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.files[id] = new(bytes.Buffer)
	return &memoryFile{spool: s, id: id, Buffer: s.files[id]}, nil
}

type memoryFile struct {
	*bytes.Buffer
	spool *memorySpool
	id    delivery.MessageID
}

func (f *memoryFile) Insert(offset int64, p []byte) error {
	whole := slices.Insert(bytes.Clone(f.Bytes()), int(offset), p...)
	f.Reset()
	_, err := f.Write(whole)
	return err
}

func (f *memoryFile) Written() (delivery.Body, error) { return delivery.BytesBody(f.Bytes()), nil }

func (f *memoryFile) Finish() (delivery.Body, error) { return delivery.BytesBody(f.Bytes()), nil }

func (f *memoryFile) Abort() {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	delete(f.spool.files, f.id)
}
