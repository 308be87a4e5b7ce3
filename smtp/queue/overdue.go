package queue

import (
	"context"
	"log/slog"
	"sync"

	"postern/domain/delivery"
)

// overduePage is how many overdue messages are settled together.
const overduePage = 50

// maxSweeps is how many lanes are swept at a time.
const maxSweeps = 2

// sweep settles the messages of a suspended lane whose time has come. Most of
// them are never tried while the destination is out of reach, but each is given
// up, and its sender told of the delay, when it would be otherwise (B75). The
// destination's last failure counts as an attempt at each of them.
func (s *scheduler) sweep(l *lane) {
	if l.sweeping || s.stopping {
		return
	}
	l.sweeping = true
	outcome := l.outcome
	s.background.Go(func() {
		s.sweeps <- struct{}{}
		for s.sweepPage(l, outcome) {
		}
		<-s.sweeps
		s.mu.Lock()
		defer s.mu.Unlock()
		l.sweeping = false
		s.consider(l, s.clock.Now())
	})
}

// sweepPage settles some of the lane's overdue messages and returns whether
// there may be more.
func (s *scheduler) sweepPage(l *lane, o delivery.Outcome) bool {
	schedule := delivery.ScheduleOf(s.snapshot().Settings.Queue)
	query := delivery.OverdueQuery{
		Destination: l.destination,
		Expired:     s.clock.Now().Add(-schedule.Lifetime),
		Skip:        s.inUse,
		Limit:       overduePage,
	}
	if schedule.DelayNotice > 0 {
		query.Untold = s.clock.Now().Add(-schedule.DelayNotice)
	}
	s.mu.Lock()
	read := s.refills.begin()
	s.mu.Unlock()
	page, err := s.store.Overdue(context.Background(), query)
	if err != nil {
		s.logger.Error("queue not readable", slog.String("destination", l.destination.String()), slog.Any("error", err))
	}
	tasks := s.takeOverdue(l, read, page)
	var settling sync.WaitGroup // together, so that they share a commit
	for _, t := range tasks {
		settling.Go(func() { s.settle(t, s.suspendedAttempt(t, o)) })
	}
	settling.Wait()
	return page.More && len(tasks) > 0 && s.deliveries.Err() == nil
}

func (s *scheduler) inUse(id delivery.MessageID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen.has(id) || s.entries[id] != nil
}

// takeOverdue claims the recipients of the page's messages that are for the
// lane.
func (s *scheduler) takeOverdue(l *lane, r *read, page delivery.WaitingPage) (tasks []*task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refills.end(r)
	now := s.clock.Now()
	for _, q := range page.Messages {
		if _, touched := r.touched[q.ID]; touched || s.frozen.has(q.ID) || s.entries[q.ID] != nil || s.stopping {
			continue
		}
		e := newEntry(q)
		recipients := e.waiting(l.destination)
		s.entries[q.ID] = e
		e.claim(recipients)
		e.claims++
		s.unsettled++
		tasks = append(tasks, &task{lane: l, entry: e, recipients: recipients, started: now})
	}
	return tasks
}

// suspendedAttempt is the record for a message that was not tried because its
// destination is out of reach.
func (s *scheduler) suspendedAttempt(t *task, o delivery.Outcome) delivery.Attempt {
	a := delivery.Attempt{Message: t.entry.m.ID, At: t.started, Revision: s.snapshot().Revision}
	for _, i := range t.recipients {
		a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: o})
	}
	return a
}
