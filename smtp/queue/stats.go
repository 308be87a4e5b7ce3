package queue

import "sync/atomic"

// Stats is what the queue has done since it runs, and how it stands.
type Stats struct {
	// Accepted counts messages, notices included; the others count recipients.
	Accepted, Delivered, Deferred, Bounced int64
	// Waiting are the recipients that are to be tried, in memory and on disk.
	Waiting int64
	// InMemory are the messages of which something is in memory, BodyOctets what
	// their bodies and those being received take there.
	InMemory   int
	BodyOctets int64
	// Destinations are those with mail, Suspended those of them that are out of
	// reach, Active the deliveries under way.
	Destinations, Suspended, Active int
}

// counters are the parts of Stats that are counted as things happen.
type counters struct {
	accepted, delivered, deferred, bounced, waiting atomic.Int64
}

// stats returns the figures as of now.
func (s *scheduler) stats() Stats {
	st := Stats{
		Accepted:   s.counters.accepted.Load(),
		Delivered:  s.counters.delivered.Load(),
		Deferred:   s.counters.deferred.Load(),
		Bounced:    s.counters.bounced.Load(),
		Waiting:    s.counters.waiting.Load(),
		BodyOctets: s.budget.used.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.InMemory, st.Destinations, st.Active = len(s.entries), len(s.lanes), s.active
	now := s.clock.Now()
	for _, l := range s.lanes {
		if l.suspended(now) {
			st.Suspended++
		}
	}
	return st
}
