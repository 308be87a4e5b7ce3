package queue

import (
	"container/heap"
	"context"
	"log/slog"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// scheduler decides what is tried when. One lock guards lanes and entries; no
// one holds it while doing I/O.
type scheduler struct {
	store     Store
	transport Transport
	commit    *committer
	notices   *notices
	snapshot  func() *config.Snapshot
	clock     *clock
	newID     func() delivery.MessageID
	logger    *slog.Logger
	budget    *budget
	observers []Observer
	counters  counters

	mu      sync.Mutex
	lanes   map[mailaddr.DomainName]*lane
	entries map[delivery.MessageID]*entry
	turns   []*lane // lanes that can deliver something now
	wakes   wakes
	alarm   chan struct{} // the first wake has changed
	// active counts deliveries under way, unsettled the outcomes that are not
	// durable yet: of these, and of messages that expired untried.
	active, unsettled int
	refills           refills
	frozen            frozen
	paces             paces
	stopping          bool
	stopped           *sync.Cond // active or unsettled has become less

	// deliveries is the context of all deliveries.
	deliveries context.Context
	background sync.WaitGroup // goroutines other than deliveries
	sweeps     chan struct{}  // one for each sweep at work
}

// lane returns the lane of a destination.
func (s *scheduler) lane(destination mailaddr.DomainName) *lane {
	l := s.lanes[destination]
	if l == nil {
		l = newLane(destination)
		s.lanes[destination] = l
	}
	return l
}

// count counts what waits on disk when the queue begins.
func (s *scheduler) count(backlog []delivery.Backlog) {
	for _, b := range backlog {
		s.counters.waiting.Add(int64(b.Recipients))
	}
}

// load makes lanes for what waits on disk, and none for what does not. Lanes
// that exist look again: they would notice mail that was lost sight of.
func (s *scheduler) load(backlog []delivery.Backlog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, horizon := s.clock.Now(), s.horizon()
	for _, b := range backlog {
		if b.Next.After(horizon) {
			b.Next = now // only a clock that jumped sets such a time
		}
		l := s.lane(b.Destination)
		l.lookAt(b.Next)
		s.consider(l, now)
	}
	s.dispatch(now)
}

// horizon is the latest next attempt that the schedule could have set.
func (s *scheduler) horizon() time.Time {
	longest := 0
	for _, seconds := range s.snapshot().Settings.Queue.RetryIntervals {
		longest = max(longest, seconds)
	}
	return s.clock.Now().Add(time.Duration(longest)*time.Second*11/10 + time.Second)
}

// arriving registers messages that are about to be stored, so that a lane which
// finds one on disk knows it. All their recipients are claimed.
func (s *scheduler) arriving(messages []*delivery.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		if s.entries[m.ID] != nil {
			continue
		}
		e := newEntry(delivery.Queued{Message: m, Fences: make([]int64, len(m.Recipients))})
		for i := range e.slots {
			e.slots[i].claimed = true
		}
		e.claims = 1
		s.entries[m.ID] = e
	}
}

// refused forgets messages that were not stored after all.
func (s *scheduler) refused(messages []*delivery.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		if e := s.entries[m.ID]; e != nil && e.m == m {
			delete(s.entries, m.ID)
		}
		dropBody(m)
	}
}

// arrived schedules messages that are stored.
func (s *scheduler) arrived(messages []*delivery.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.counters.accepted.Add(int64(len(messages)))
	for _, m := range messages {
		if e := s.entries[m.ID]; e != nil && e.m == m {
			s.admit(e, now)
		}
	}
	s.dispatch(now)
}

func (s *scheduler) admit(e *entry, now time.Time) {
	for i := range e.slots {
		e.slots[i].claimed = false
	}
	if !e.m.Held {
		s.counters.waiting.Add(int64(len(e.slots)))
		s.line(e, now)
	}
	s.release(e, now)
}

// line puts a new entry into the lanes of its destinations that have room. The
// others find it on disk.
func (s *scheduler) line(e *entry, now time.Time) {
	for i := range e.slots {
		l := s.lane(e.slots[i].destination)
		if s.inLane(e, l) {
			continue
		}
		if s.hasRoom(l, now) {
			l.push(e)
		} else {
			l.lookAt(e.slots[i].next)
		}
		s.consider(l, now)
	}
}

func (s *scheduler) inLane(e *entry, l *lane) bool {
	for _, other := range e.lanes {
		if other == l {
			return true
		}
	}
	return false
}

// release ends a claim. An entry that nobody claims and that stands in no lane
// leaves memory; its lanes look on disk when it is due.
func (s *scheduler) release(e *entry, now time.Time) {
	e.claims--
	if e.claims == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
	s.evictIdle(e, now)
}

func (s *scheduler) evictIdle(e *entry, now time.Time) {
	if e.claims > 0 || len(e.lanes) > 0 {
		return
	}
	delete(s.entries, e.m.ID)
	s.refills.touch(e.m.ID)
	dropBody(e.m)
	if e.m.Held {
		return
	}
	for i := range e.slots {
		if slot := &e.slots[i]; !slot.state.Final() {
			l := s.lane(slot.destination)
			l.lookAt(slot.next)
			s.consider(l, now)
		}
	}
}

// consider finds out what a lane needs next: a turn, messages from disk, to be
// looked at later, or nothing any more.
func (s *scheduler) consider(l *lane, now time.Time) {
	switch {
	case l.idle() && !s.paused(l, now):
		s.forget(l)
	case s.stopping:
	case l.suspended(now):
		s.wakeAt(l, l.until)
	case s.paused(l, now):
		s.wakeAt(l, earliest(l.pausedUntil, now.Add(pauseCheck)))
	default:
		s.offerTurn(l)
		s.considerDisk(l, now)
	}
}

// forget drops a lane.
func (s *scheduler) forget(l *lane) {
	if l.wakeIndex >= 0 {
		heap.Remove(&s.wakes, l.wakeIndex)
	}
	if s.lanes[l.destination] == l {
		delete(s.lanes, l.destination)
	}
}

func (s *scheduler) offerTurn(l *lane) {
	if !l.inTurn && len(l.ready) > 0 && l.active < l.maxDeliveries(s.snapshot()) {
		l.inTurn = true
		s.turns = append(s.turns, l)
	}
}

// wakeAt looks at the lane again at the time.
func (s *scheduler) wakeAt(l *lane, t time.Time) {
	l.wake = t
	if l.wakeIndex >= 0 {
		heap.Fix(&s.wakes, l.wakeIndex)
	} else {
		heap.Push(&s.wakes, l)
	}
	if l.wakeIndex == 0 {
		select {
		case s.alarm <- struct{}{}:
		default:
		}
	}
}

// wakeUp looks at the lanes whose time has come, and returns how long it is
// until the next one's.
func (s *scheduler) wakeUp() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for len(s.wakes) > 0 && !s.wakes[0].wake.After(now) {
		l := heap.Pop(&s.wakes).(*lane)
		s.consider(l, now)
	}
	s.dispatch(now)
	if len(s.wakes) == 0 {
		return time.Hour
	}
	return s.wakes[0].wake.Sub(now)
}

// run wakes lanes until the context ends.
func (s *scheduler) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.alarm:
		}
		timer.Reset(s.wakeUp())
	}
}

// dispatch starts deliveries, one lane after the other, as long as there are
// lanes that can deliver and deliveries left to start.
func (s *scheduler) dispatch(now time.Time) {
	s.startRefills()
	limit := s.snapshot().Settings.Queue.MaxDeliveries
	for len(s.turns) > 0 && s.active < limit && !s.stopping {
		l := s.turns[0]
		s.turns[0] = nil
		s.turns = s.turns[1:]
		l.inTurn = false
		if !l.suspended(now) && !s.paused(l, now) {
			s.startNext(l, now)
		}
		s.consider(l, now)
	}
}

// startNext starts a delivery for the first message of the lane that has
// recipients left.
func (s *scheduler) startNext(l *lane, now time.Time) {
	for len(l.ready) > 0 && l.active < l.maxDeliveries(s.snapshot()) {
		room := s.room(l, now)
		if room == 0 {
			return
		}
		e := l.pop()
		if recipients := s.claimable(e, l, now, room); len(recipients) > 0 {
			s.spend(l, len(recipients), now)
			s.start(l, e, recipients, now)
			s.keepRest(l, e, now)
			return
		}
		s.evictIdle(e, now)
	}
}

// claimable returns the recipients that the lane may try now.
func (s *scheduler) claimable(e *entry, l *lane, now time.Time, room int) []int {
	if s.frozen.has(e.m.ID) {
		return nil
	}
	return e.due(l.destination, now, room)
}

// start claims the recipients and delivers to them. Those of other destinations
// are claimed with them until it is known who shares the next hop: or else their
// lanes would have taken them in the meantime.
func (s *scheduler) start(l *lane, e *entry, recipients []int, now time.Time) {
	companions := s.companions(e, l, maxRecipients-len(recipients), now)
	e.claim(recipients)
	e.claim(companions)
	e.claims++
	if len(recipients) == maxRecipients && len(e.due(l.destination, now, 1)) > 0 {
		l.pushFront(e)
	}
	l.active++
	s.active++
	s.unsettled++
	t := &task{lane: l, entry: e, recipients: recipients, started: now}
	go s.deliver(t, companions)
}

// stop starts nothing more and waits for the deliveries under way and their
// outcomes. Those that do not end within the grace are cut off.
func (s *scheduler) stop(grace time.Duration, cut func()) error {
	timer := time.AfterFunc(grace, cut)
	defer timer.Stop()
	s.mu.Lock()
	s.stopping = true
	for s.active > 0 || s.unsettled > 0 {
		s.stopped.Wait()
	}
	s.mu.Unlock()
	s.background.Wait()
	if s.deliveries.Err() != nil {
		return domain.E(domain.Unavailable, "deliveries did not end within %s and were cut off", grace)
	}
	return nil
}
