package queue

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"postern/domain/delivery"
)

// task is a delivery under way: an attempt for some recipients of a message.
type task struct {
	lane       *lane // that pays for it
	entry      *entry
	recipients []int
	started    time.Time
}

// deliver makes the attempt and does not end before its outcome is durable.
func (s *scheduler) deliver(t *task) {
	s.groupByNextHop(t)
	attempt := s.transport.Deliver(s.deliveries, t.entry.m, t.recipients)
	s.observe(t, attempt)
	s.free(t, attempt)
	s.settle(t, attempt)
}

// groupByNextHop makes the task one for a single next hop and requirement
// (B29). Recipients of other destinations that share both ride along; those of
// this one that do not are left for another attempt.
func (s *scheduler) groupByNextHop(t *task) {
	others := s.companions(t)
	if len(others) == 0 {
		return
	}
	group := groupOf(t.recipients[0], s.transport.Group(t.entry.m, slices.Concat(t.recipients, others)))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	chosen := make([]int, 0, len(group))
	for _, i := range group {
		if slices.Contains(t.recipients, i) || t.entry.slots[i].ready(now) {
			chosen = append(chosen, i)
		}
	}
	t.entry.unclaim(t.recipients)
	t.entry.claim(chosen)
	t.recipients = chosen
	if len(t.entry.due(t.lane.destination, now, 1)) > 0 && !s.inLane(t.entry, t.lane) {
		t.lane.pushFront(t.entry)
		s.consider(t.lane, now)
		s.dispatch(now)
	}
}

// groupOf returns the group that the recipient is in.
func groupOf(recipient int, groups [][]int) []int {
	for _, g := range groups {
		if slices.Contains(g, recipient) {
			return g
		}
	}
	return []int{recipient}
}

// companions returns recipients of the same message in other destinations that
// could be tried now.
func (s *scheduler) companions(t *task) (recipients []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if s.frozen.has(t.entry.m.ID) {
		return nil
	}
	for i := range t.entry.slots {
		if len(t.recipients)+len(recipients) == maxRecipients {
			break
		}
		slot := &t.entry.slots[i]
		if slot.destination != t.lane.destination && slot.ready(now) && !s.outOfReach(slot, now) {
			recipients = append(recipients, i)
		}
	}
	return recipients
}

func (s *scheduler) outOfReach(slot *slot, now time.Time) bool {
	l := s.lanes[slot.destination]
	return l != nil && l.suspended(now) || s.limited(slot)
}

// free lets the lane go on to its next delivery.
func (s *scheduler) free(t *task, a delivery.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	t.lane.active--
	s.active--
	s.judge(t, a, now)
	s.consider(t.lane, now)
	s.dispatch(now)
	s.stopped.Broadcast()
}

// judge learns from an attempt whether the destination can be reached.
func (s *scheduler) judge(t *task, a delivery.Attempt, now time.Time) {
	l := t.lane
	switch o, unreachable := unreachable(t.entry.m, a); {
	case s.deliveries.Err() != nil:
	case !unreachable:
		l.lift()
	case l.fail(t.started, now, o):
		s.park(l, now)
		s.sweep(l)
	}
}

// unreachable reports whether the attempt found no host to talk to under the
// terms of its destination, so that other messages would fare no better.
func unreachable(m *delivery.Message, a delivery.Attempt) (o delivery.Outcome, yes bool) {
	if m.RequireTLS || len(a.Results) == 0 {
		return o, false // its terms are its own
	}
	for _, r := range a.Results {
		if o = r.Outcome; o.Status != delivery.Deferred || o.Stage == delivery.StageTransfer || o.Stage == "" {
			return o, false
		}
	}
	return o, true
}

// park leaves the messages of a suspended lane to the disk.
func (s *scheduler) park(l *lane, now time.Time) {
	for len(l.ready) > 0 {
		s.evictIdle(l.pop(), now)
	}
}

// settle makes the outcome durable and lets go of the recipients.
func (s *scheduler) settle(t *task, a delivery.Attempt) {
	plan := s.plan(t, a)
	if plan != nil {
		s.notices.add(plan)
		s.write(t, plan)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.entry.unclaim(t.recipients)
	s.unsettled--
	now := s.clock.Now()
	s.resume(t, a, now)
	s.release(t.entry, now)
	s.dispatch(now)
	s.stopped.Broadcast()
}

// How long to wait before an outcome that could not be written is written
// again.
const (
	firstRewrite = 500 * time.Millisecond
	lastRewrite  = 30 * time.Second
)

// write makes the plan's settlement durable, however long it takes: a delivery
// whose outcome is forgotten would be repeated. Only the end of the process, by
// way of the deliveries' context, makes it give up.
func (s *scheduler) write(t *task, p *plan) {
	batch := delivery.Batch{Settlements: []*delivery.Settlement{&p.settlement}}
	for pause := firstRewrite; ; pause = min(2*pause, lastRewrite) {
		written, err := s.commit.write(context.Background(), batch)
		switch {
		case err == nil && len(written.Stale) > 0:
			s.logger.Error("settlement left out", slog.String("queue_id", t.entry.m.ID.String()),
				slog.String("reason", "another one came first"))
			return
		case err == nil:
			s.record(p)
			return
		}
		s.logger.Error("settlement not written", slog.String("queue_id", t.entry.m.ID.String()), slog.Any("error", err))
		if !sleep(s.deliveries, pause) {
			return
		}
	}
}
