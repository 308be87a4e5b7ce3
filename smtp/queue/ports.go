package queue

import (
	"context"
	"time"

	"postern/domain/delivery"
)

// Store keeps the queue on disk.
type Store interface {
	// Write makes a batch durable. An error leaves open whether it did: the
	// batch may be there after a restart.
	Write(ctx context.Context, b *delivery.Batch) (delivery.Written, error)
	// Backlog counts what waits, by destination.
	Backlog(ctx context.Context) ([]delivery.Backlog, error)
	// Waiting loads messages that wait for a destination, with all their
	// recipients. Bodies stay on disk until they are opened.
	Waiting(ctx context.Context, q delivery.WaitingQuery) (delivery.WaitingPage, error)
	// Overdue loads messages that wait for a destination beyond their time.
	Overdue(ctx context.Context, q delivery.OverdueQuery) (delivery.WaitingPage, error)
	// Probe tries whether a batch could be written now: it makes a small write
	// durable and looks at the free space.
	Probe(ctx context.Context) error
}

// Archive finds messages for actions on many, and forgets old history.
type Archive interface {
	// Select returns the ids of unfinished messages that match, ascending, above
	// the given one.
	Select(ctx context.Context, f delivery.MessageFilter, above delivery.MessageID, limit int) ([]delivery.MessageID, error)
	// Prune forgets some of the messages and attempts that were over before the
	// time, and returns whether there are more. It does not hold up writes.
	Prune(ctx context.Context, before time.Time) (more bool, err error)
}

// Spooler keeps bodies that are too big for memory.
type Spooler interface {
	// Spool returns a writer to the file for the body of a message.
	Spool(id delivery.MessageID) (delivery.BodyWriter, error)
}

// Transport hands messages to next hops; package outbound implements it.
type Transport interface {
	// Deliver tries the recipients of one message that share a next hop and a
	// requirement, and returns the record of the attempt, with an outcome for
	// each of them but those that it names as left out. It returns soon after the context ends.
	Deliver(ctx context.Context, m *delivery.Message, recipients []int) delivery.Attempt
	// Group splits recipients by next hop and effective requirement, as far as
	// the configuration tells (B29). It asks nobody.
	Group(m *delivery.Message, recipients []int) [][]int
}

// Observer is told of every settlement that holds, once it is durable. Settled
// returns at once: a delivery waits for it. What it is given is not to be
// changed.
type Observer interface {
	Settled(m *delivery.Message, s *delivery.Settlement)
}
