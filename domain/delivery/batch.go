package delivery

import (
	"io"
	"time"

	"postern/domain/mailaddr"
)

// Batch is what becomes durable together: all of it or nothing, in one
// transaction and one sync (B74). Its parts take effect in the order of the
// fields.
type Batch struct {
	Accepted    []*Message
	Settlements []Settlement
	Changes     []Change
}

// Settlement is what followed from an attempt.
type Settlement struct {
	// ID numbers the attempt; like message ids, it sorts by time.
	ID       MessageID
	Attempt  Attempt
	Progress []Progress
	// Last says that no recipient of the message is left to be tried, so that
	// its body is no longer needed.
	Last bool
	// DelayNotice says that the sender is told of the delay by one of Notices.
	DelayNotice bool
	// Notices are the bounces and reports that the attempt causes. They are
	// queued by the same transaction, so that a crash neither loses nor doubles
	// one.
	Notices []*Message
	// At is when the settlement was made.
	At time.Time
}

// Progress is where a recipient stands after an attempt.
type Progress struct {
	Recipient int // index in the envelope
	// Fence is the number that the recipient's row had when it was taken up. A
	// row that has another one by now was settled by someone else, and stays.
	Fence       int64
	State       RecipientState
	Attempts    int
	NextAttempt time.Time // while State is RecipientQueued
	Last        Outcome
}

// Action is what an administrator does to messages (B76).
type Action string

// The actions.
const (
	ActionHold    Action = "hold"    // not tried until released
	ActionRelease Action = "release" // tried again, at once
	ActionRetry   Action = "retry"   // tried at once, unless held
	ActionDelete  Action = "delete"  // given up without a bounce
)

// Change is an action on some messages.
type Change struct {
	Action   Action
	Messages []MessageID
	At       time.Time
}

// Written is what the store made of a batch.
type Written struct {
	// Stale are the positions in Batch.Settlements that were left out, with
	// their notices, because of a fence.
	Stale []int
	// Waiting counts, for each domain, the recipients that are to be tried at
	// once as a result of the batch's changes.
	Waiting map[mailaddr.DomainName]int
	// Changed counts the messages that the changes found and changed.
	Changed int
}

// Queued is a message as the store gives it back, with what is needed to settle
// it.
type Queued struct {
	*Message
	Fences []int64 // by recipient
}

// Backlog is what waits for one recipient domain.
type Backlog struct {
	Domain     mailaddr.DomainName
	Recipients int
	// Next is the earliest time at which one of them is to be tried.
	Next time.Time
}

// WaitingQuery asks for messages with recipients that wait in a domain, neither
// final nor held, in the order in which they are to be tried.
type WaitingQuery struct {
	Domain mailaddr.DomainName
	// DueBefore leaves out recipients whose next attempt is later, and Horizon
	// takes them in again where it is later still: no schedule sets such a
	// time, only a clock that jumped.
	DueBefore, Horizon time.Time
	// OverdueBefore, where set, asks instead for messages received before it,
	// whatever their next attempt. UntoldBefore widens that to messages received
	// before it whose sender was not yet told of the delay.
	OverdueBefore, UntoldBefore time.Time
	// Skip are messages to leave out.
	Skip func(MessageID) bool
	// Limit is the greatest number of messages.
	Limit int
}

// BodyWriter collects the octets of a message that is being received. Exactly
// one of Finish and Abort is called, after which it is of no more use.
type BodyWriter interface {
	io.Writer
	// Finish returns the body; one that is not in memory is durable by then.
	Finish() (Body, error)
	// Abort forgets what was written.
	Abort()
}
