package queue

import (
	"slices"
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// maxRecipients is how many recipients one delivery takes. Every server has to
// take a hundred (RFC 5321 §4.5.3.1.8).
const maxRecipients = 100

// entry is a message in memory. Its fields belong to the scheduler's lock, but
// for the message, which nobody changes.
type entry struct {
	m     *delivery.Message
	slots []slot
	// lanes are those in whose ready list the entry stands.
	lanes []*lane
	// claims counts the attempts whose outcome is not durable yet.
	claims int
	// told says that the sender knows of the delay.
	told bool
	// idle, where someone waits for it, is closed when the last claim ends.
	idle chan struct{}
}

// slot is how far a recipient is.
type slot struct {
	destination mailaddr.DomainName
	fence       int64
	state       delivery.RecipientState
	claimed     bool
	attempts    int
	next        time.Time
	last        delivery.Outcome
}

// newEntry returns the entry for a message as the store gave it.
func newEntry(q delivery.Queued) *entry {
	e := &entry{m: q.Message, slots: make([]slot, len(q.Recipients)), told: q.DelayNoticeSent}
	for i, r := range q.Recipients {
		e.slots[i] = slot{
			destination: delivery.Destination(r.Address), fence: q.Fences[i],
			state: r.State, attempts: r.Attempts, next: r.NextAttempt, last: r.Last,
		}
	}
	return e
}

// due returns the recipients for the destination that could be tried now, up to
// limit.
func (e *entry) due(destination mailaddr.DomainName, now time.Time, limit int) (recipients []int) {
	for i := range e.slots {
		if len(recipients) == limit {
			break
		}
		if s := &e.slots[i]; s.destination == destination && s.ready(now) {
			recipients = append(recipients, i)
		}
	}
	return recipients
}

func (s *slot) ready(now time.Time) bool {
	return s.state == delivery.RecipientQueued && !s.claimed && !s.next.After(now)
}

// claim takes the recipients for an attempt.
func (e *entry) claim(recipients []int) {
	for _, i := range recipients {
		e.slots[i].claimed = true
	}
}

func (e *entry) unclaim(recipients []int) {
	for _, i := range recipients {
		e.slots[i].claimed = false
	}
}

// finished reports whether no recipient is left to be tried.
func (e *entry) finished() bool {
	return !slices.ContainsFunc(e.slots, func(s slot) bool { return !s.state.Final() })
}

// leave takes the entry out of a lane's ready list, in its own books.
func (e *entry) leave(l *lane) {
	e.lanes = slices.DeleteFunc(e.lanes, func(other *lane) bool { return other == l })
}

// waiting returns all recipients for the destination that are left to be tried.
func (e *entry) waiting(destination mailaddr.DomainName) (recipients []int) {
	for i := range e.slots {
		if s := &e.slots[i]; s.destination == destination && !s.state.Final() {
			recipients = append(recipients, i)
		}
	}
	return recipients
}
