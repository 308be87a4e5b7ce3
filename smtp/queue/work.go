package queue

import (
	"context"
	"log/slog"
	"runtime/debug"
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

// deliver makes the attempt and does not end before its outcome is durable. Only
// then does the lane go on: a crash repeats at most the one delivery that each
// connection had under way (B74).
func (s *scheduler) deliver(t *task, companions []int) {
	if len(companions) > 0 || t.mixed() {
		s.groupByNextHop(t, companions)
	}
	attempt := s.attempt(t)
	s.observe(t, attempt)
	s.settle(t, attempt)
	s.free(t, attempt)
}

// attempt tries the delivery. A fault of ours defers the message: it must not
// end the gateway, at every start anew.
func (s *scheduler) attempt(t *task) (a delivery.Attempt) {
	defer func() {
		if fault := recover(); fault != nil {
			s.logger.Error("fault in a delivery", slog.String("queue_id", t.entry.m.ID.String()),
				slog.Any("panic", fault), slog.String("stack", string(debug.Stack())))
			a = delivery.Attempt{Message: t.entry.m.ID, At: t.started, Revision: s.snapshot().Revision}
			o := delivery.Outcome{Stage: delivery.StageTransfer, Code: 451, Enhanced: "4.3.0", Text: "internal fault"}
			for _, i := range t.recipients {
				a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: o})
			}
		}
	}()
	return s.transport.Deliver(s.deliveries, t.entry.m, t.recipients)
}

// companions returns recipients of the same message in other destinations that
// could be tried now.
func (s *scheduler) companions(e *entry, l *lane, limit int, now time.Time) (recipients []int) {
	for i := range e.slots {
		if len(recipients) == limit {
			break
		}
		slot := &e.slots[i]
		if slot.destination != l.destination && slot.ready(now) && !s.outOfReach(slot, now) {
			recipients = append(recipients, i)
		}
	}
	return recipients
}

func (s *scheduler) outOfReach(slot *slot, now time.Time) bool {
	l := s.lanes[slot.destination]
	return l != nil && l.suspended(now) || s.limited(slot)
}

// groupByNextHop makes the task one for a single next hop and requirement
// (B29): the group of its first recipient. Companions, all claimed before, ride
// along where they share both. The others go back to their lanes.
func (s *scheduler) groupByNextHop(t *task, companions []int) {
	all := slices.Concat(t.recipients, companions)
	group := groupOf(t.recipients[0], s.transport.Group(t.entry.m, all))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	t.recipients = group
	t.entry.unclaim(all)
	t.entry.claim(group)
	for _, i := range all {
		if slot := &t.entry.slots[i]; !slot.claimed {
			l := s.lane(slot.destination)
			s.refund(l)
			if !s.inLane(t.entry, l) {
				l.pushFront(t.entry)
			}
			s.consider(l, now)
		}
	}
	s.dispatch(now)
}

// mixed reports whether some of the task's recipients are under REQUIRETLS and
// others are not: the one thing that tells recipients of a destination apart
// (B55).
func (t *task) mixed() bool {
	first := t.entry.m.RequiresTLS(t.recipients[0])
	return slices.ContainsFunc(t.recipients, func(i int) bool { return t.entry.m.RequiresTLS(i) != first })
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
	if m.RequireTLS || a.Decision.RequireTLS || len(a.Results) == 0 {
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
	s.lookLater(t, now)
	s.release(t.entry, now)
	s.dispatch(now)
	s.stopped.Broadcast()
}

// lookLater makes the lanes of the recipients that are left look again when they
// are due, whether or not the message stays in memory for others.
func (s *scheduler) lookLater(t *task, now time.Time) {
	for _, i := range t.recipients {
		if slot := &t.entry.slots[i]; !slot.state.Final() {
			l := s.lane(slot.destination)
			l.lookAt(slot.next)
			s.consider(l, now)
		}
	}
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
