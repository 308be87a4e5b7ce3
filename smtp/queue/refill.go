package queue

import (
	"context"
	"log/slog"
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// Bounds of what is in memory, in messages.
const (
	laneWindow    = 500    // ready in one lane
	minLaneWindow = 20     // what a lane gets when memory is short
	softMemory    = 10_000 // beyond it lanes get no more than that
	hardMemory    = 20_000 // beyond it lanes wait
)

// maxRefills is how many lanes are filled from disk at a time.
const maxRefills = 4

// refillRetry is how long a lane waits after the disk could not be read.
const refillRetry = 5 * time.Second

// refills are the reads from disk that are under way, and the lanes that wait
// for theirs.
//
// A read sees the disk as of one moment. What was settled or changed since must
// not come back by it, so each read keeps the ids of those messages.
type refills struct {
	waiting []*lane
	reads   []*read
}

type read struct {
	touched map[delivery.MessageID]struct{}
}

// touch marks a message as changed on disk.
func (r *refills) touch(id delivery.MessageID) {
	for _, read := range r.reads {
		read.touched[id] = struct{}{}
	}
}

func (r *refills) begin() *read {
	read := &read{touched: map[delivery.MessageID]struct{}{}}
	r.reads = append(r.reads, read)
	return read
}

func (r *refills) end(done *read) {
	for i, read := range r.reads {
		if read == done {
			r.reads = append(r.reads[:i], r.reads[i+1:]...)
			return
		}
	}
}

// window is how many messages the lane may have ready.
func (s *scheduler) window(l *lane) int {
	switch {
	case l.failures > 0 || len(s.entries) >= softMemory || s.budget.crowded():
		return minLaneWindow
	default:
		return laneWindow
	}
}

// hasRoom reports whether a new message may go straight into the lane. Where
// older mail waits on disk it does not overtake it.
func (s *scheduler) hasRoom(l *lane, now time.Time) bool {
	return len(l.ready) < s.window(l) && len(s.entries) < hardMemory &&
		!l.onDisk(now) && !l.refilling && !l.suspended(now)
}

// considerDisk fills the lane when its window runs low and the disk has more.
func (s *scheduler) considerDisk(l *lane, now time.Time) {
	switch {
	case l.refilling || l.next.IsZero():
	case !l.onDisk(now):
		s.wakeAt(l, l.next)
	case len(l.ready) <= s.window(l)/4:
		l.refilling = true
		s.refills.waiting = append(s.refills.waiting, l)
		s.startRefills()
	}
}

func (s *scheduler) startRefills() {
	for len(s.refills.waiting) > 0 && len(s.refills.reads) < maxRefills && len(s.entries) < hardMemory && !s.stopping {
		l := s.refills.waiting[0]
		s.refills.waiting[0] = nil
		s.refills.waiting = s.refills.waiting[1:]
		l.next = time.Time{} // what comes to disk from now on sets it anew
		read, limit := s.refills.begin(), s.window(l)-len(l.ready)
		s.background.Go(func() { s.refill(l, read, max(limit, 1)) })
	}
}

// refill reads messages for the lane.
func (s *scheduler) refill(l *lane, r *read, limit int) {
	page, err := s.store.Waiting(context.Background(), delivery.WaitingQuery{
		Destination: l.destination,
		Due:         s.clock.Now(),
		Horizon:     s.horizon(),
		Skip:        func(id delivery.MessageID) bool { return s.known(id, l) },
		Limit:       limit,
	})
	if err != nil {
		s.logger.Error("queue not readable", slog.String("destination", l.destination.String()), slog.Any("error", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refills.end(r)
	now := s.clock.Now()
	if err != nil {
		l.lookAt(now.Add(refillRetry))
	} else {
		s.take(l, r, page, now)
	}
	l.refilling = false
	s.consider(l, now)
	s.startRefills()
	s.dispatch(now)
}

// known reports whether a message on disk is in memory, or has to stay out of
// it. One that is in memory for another lane gets into this one too.
func (s *scheduler) known(id delivery.MessageID, l *lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen.meets(id, l.destination) {
		return true
	}
	e := s.entries[id]
	if e == nil {
		return false
	}
	s.adopt(e, l, s.clock.Now())
	return true
}

// adopt puts a message that is in memory into the lane, if it is due there.
func (s *scheduler) adopt(e *entry, l *lane, now time.Time) {
	if !s.inLane(e, l) && len(e.due(l.destination, now, 1)) > 0 {
		l.push(e)
	}
}

// take puts the messages of a page into the lane.
func (s *scheduler) take(l *lane, r *read, page delivery.WaitingPage, now time.Time) {
	for _, q := range page.Messages {
		_, touched := r.touched[q.ID]
		e := s.entries[q.ID]
		switch {
		case s.frozen.meets(q.ID, l.destination):
		case e != nil:
			s.adopt(e, l, now)
		case touched:
			page.More = true // how it stands now, the next read will tell
		default:
			e = newEntry(q)
			s.bringForward(e, now)
			s.entries[q.ID] = e
			l.push(e)
		}
	}
	l.lookAt(page.Next)
	if page.More {
		l.lookAt(now)
	}
}

// bringForward makes recipients due whose next attempt no schedule can have
// set: the clock must have been put back since.
func (s *scheduler) bringForward(e *entry, now time.Time) {
	horizon := s.horizon()
	for i := range e.slots {
		if e.slots[i].next.After(horizon) {
			e.slots[i].next = now
		}
	}
}

// frozen are messages that stay out of memory while an action changes them on
// disk.
type frozen struct {
	messages map[delivery.MessageID]int // the actions at work on each
	// met are destinations whose lanes came upon one.
	met map[mailaddr.DomainName]struct{}
}

func (f *frozen) has(id delivery.MessageID) bool { return f.messages[id] > 0 }

// meets is has, and remembers the lane that has to look again.
func (f *frozen) meets(id delivery.MessageID, destination mailaddr.DomainName) bool {
	if f.messages[id] == 0 {
		return false
	}
	f.met[destination] = struct{}{}
	return true
}
