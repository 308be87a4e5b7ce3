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
	Settlements []*Settlement
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
	// DelayNotice says that one of Notices tells the sender of the delay.
	DelayNotice bool
	// Notices are the bounces and reports that the attempt causes. They are
	// queued by the same transaction, so that a crash neither loses nor doubles
	// one.
	Notices []*Message
	At      time.Time
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

// Change is an action on some messages. Finished messages are left alone.
type Change struct {
	Action   Action
	Messages []MessageID
	At       time.Time
	// HeldReason is for the messages that the action holds.
	HeldReason string
}

// Written is what the store made of a batch.
type Written struct {
	// Stale are the positions in Batch.Settlements of those that were left out,
	// with their notices, because of a fence.
	Stale []int
	// Changed are the messages that each of Batch.Changes found and changed.
	Changed [][]MessageID
	// Waiting says, for each domain that the changes touched, by how many the
	// recipients that wait have become more or fewer.
	Waiting map[mailaddr.DomainName]int
}

// Queued is a message as the store gives it back, with what is needed to settle
// it.
type Queued struct {
	*Message
	Fences []int64 // by recipient
}

// Backlog is what waits for one destination.
type Backlog struct {
	Destination mailaddr.DomainName
	Recipients  int
	// Next is the earliest time at which one of them is to be tried.
	Next time.Time
}

// WaitingQuery asks for messages with recipients that wait for a destination,
// neither final nor held, in the order in which they are to be tried.
type WaitingQuery struct {
	Destination mailaddr.DomainName
	// Due is the latest next attempt that counts. One behind Horizon counts too:
	// no schedule sets such a time, only a clock that jumped.
	Due, Horizon time.Time
	// Skip, where set, names messages to leave out.
	Skip  func(MessageID) bool
	Limit int // of messages
}

// OverdueQuery asks for messages with recipients that wait for a destination,
// and that were received before Expired, or before Untold if their sender was
// not told of the delay yet; oldest first.
type OverdueQuery struct {
	Destination     mailaddr.DomainName
	Expired, Untold time.Time
	Skip            func(MessageID) bool
	Limit           int // of messages
}

// WaitingPage is the answer to a query.
type WaitingPage struct {
	Messages []Queued
	// More says that the limit cut the answer.
	More bool
	// Next is the earliest next attempt that is not due yet; zero: none.
	Next time.Time
}

// BodyWriter collects the octets of a message that is being received. In the end
// exactly one of Finish and Abort is called, after which it is of no more use.
type BodyWriter interface {
	io.Writer
	// Insert puts octets between those written before: the first of them will
	// stand at the offset.
	Insert(offset int64, p []byte) error
	// Written returns what was written so far, to be read before the next call of
	// another method (B34).
	Written() (Body, error)
	// Finish returns the body; one that is not in memory is durable by then.
	Finish() (Body, error)
	// Abort forgets what was written.
	Abort()
}

// Destination returns what mail for the address is scheduled by: the domain, or
// the address literal in brackets.
func Destination(m mailaddr.Mailbox) mailaddr.DomainName {
	if !m.Literal.IsValid() {
		return m.Domain
	}
	return mailaddr.DomainName("[" + m.Literal.String() + "]")
}

// Octets returns the body itself, for whoever needs it in one piece.
func (b BytesBody) Octets() []byte { return b }
