package queue

import (
	"context"

	"postern/domain"
	"postern/domain/delivery"
)

// actionPage is how many messages an action changes in one transaction.
const actionPage = 500

// Act does the action to the messages in the name of by, and returns to how many
// (B76). Finished
// and unknown messages are passed over, and so are those that the action changes
// nothing about.
//
// An attempt that is under way comes first: what it achieves is settled, then
// the action is done. To retry what is being tried changes nothing. Where the
// context ends while attempts are waited for, nothing was done, and the error is
// of kind Conflict.
func (q *Queue) Act(ctx context.Context, by string, action delivery.Action, ids ...delivery.MessageID) (int, error) {
	s := q.scheduler
	if action == delivery.ActionRetry {
		ids = s.untouched(ids)
	}
	s.freeze(ids)
	defer s.thaw(ids)
	if err := s.waitIdle(ctx, ids); err != nil {
		return 0, err
	}
	written, err := q.commit.write(ctx, delivery.Batch{
		Changes: []delivery.Change{{Action: action, Messages: ids, At: s.clock.Now(), HeldReason: delivery.HeldBy(by)}},
	})
	if err != nil {
		return 0, domain.Wrap(err, "%s messages", action)
	}
	s.changed(written)
	return len(written.Changed[0]), nil
}

// ActOnAll does the action to all unfinished messages that match, a page at a
// time, and returns to how many.
func (q *Queue) ActOnAll(ctx context.Context, by string, action delivery.Action, f delivery.MessageFilter) (int, error) {
	total, above := 0, delivery.MessageID(0)
	for {
		ids, err := q.deps.Archive.Select(ctx, f, above, actionPage)
		if err != nil || len(ids) == 0 {
			return total, domain.Wrap(err, "select messages")
		}
		changed, err := q.Act(ctx, by, action, ids...)
		total += changed
		if err != nil {
			return total, err
		}
		above = ids[len(ids)-1]
	}
}

// untouched returns those of the messages that nobody is trying now.
func (s *scheduler) untouched(ids []delivery.MessageID) (list []delivery.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if e := s.entries[id]; e == nil || e.claims == 0 {
			list = append(list, id)
		}
	}
	return list
}

// freeze takes the messages out of all lanes and keeps them out until they are
// thawed.
func (s *scheduler) freeze(ids []delivery.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for _, id := range ids {
		s.frozen.messages[id]++
		if e := s.entries[id]; e != nil {
			for len(e.lanes) > 0 {
				e.lanes[0].remove(e)
			}
			s.evictIdle(e, now)
		}
	}
}

// waitIdle waits until no attempt at the messages is under way.
func (s *scheduler) waitIdle(ctx context.Context, ids []delivery.MessageID) error {
	for _, id := range ids {
		idle := s.idleOf(id)
		if idle == nil {
			continue
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return domain.E(domain.Conflict, "an attempt at message %s is under way: try again in a while", id)
		}
	}
	return nil
}

// idleOf returns a channel that closes when the message is claimed no more; nil
// where it is not claimed.
func (s *scheduler) idleOf(id delivery.MessageID) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil || e.claims == 0 {
		return nil
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	return e.idle
}

// changed makes lanes look again at what actions have made due, and no longer
// shun a destination that an administrator wants tried.
func (s *scheduler) changed(written delivery.Written) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for destination, difference := range written.Waiting {
		s.counters.waiting.Add(int64(difference))
		l := s.lane(destination)
		if difference >= 0 {
			l.lift()
			l.lookAt(now)
		}
		s.consider(l, now)
	}
	s.dispatch(now)
}

// thaw lets the messages into memory again.
func (s *scheduler) thaw(ids []delivery.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for _, id := range ids {
		s.refills.touch(id)
		if s.frozen.messages[id]--; s.frozen.messages[id] == 0 {
			delete(s.frozen.messages, id)
		}
	}
	for destination := range s.frozen.met {
		l := s.lane(destination)
		l.lookAt(now)
		s.consider(l, now)
	}
	clear(s.frozen.met)
	s.dispatch(now)
}
