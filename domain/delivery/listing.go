package delivery

import (
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// MessageFilter chooses unfinished messages (B76). Zero fields choose all.
type MessageFilter struct {
	State           MessageState
	RecipientDomain mailaddr.DomainName
	// Sender is the whole address, or nil for any; the null sender is a value
	// like any other.
	Sender         *mailaddr.Mailbox
	ReceivedAfter  time.Time
	ReceivedBefore time.Time
	// NewestFirst turns a list around.
	NewestFirst bool
}

// MessageState is where a message stands as a whole.
type MessageState string

// The states of a message; the empty one stands for all unfinished ones.
const (
	StateQueued MessageState = "queued" // waits for its next attempt
	StateHeld   MessageState = "held"   // waits for an administrator
)

// ParseMessageState reads a state's name; empty is allowed.
func ParseMessageState(s string) (MessageState, error) {
	switch state := MessageState(s); state {
	case "", StateQueued, StateHeld:
		return state, nil
	}
	return "", domain.E(domain.Invalid, "%q is no state of a message: use queued or held", s)
}

// RecordedAttempt is an attempt as the history keeps it.
type RecordedAttempt struct {
	ID MessageID // sorts by time
	Attempt
}

// DeliveryFilter chooses finished messages. Zero fields choose all.
type DeliveryFilter struct {
	RecipientDomain mailaddr.DomainName
	FinishedAfter   time.Time
	FinishedBefore  time.Time
	// OldestFirst turns a list around.
	OldestFirst bool
}

// FinishedMessage is a message of which no recipient is left to be tried. Its
// body is gone.
type FinishedMessage struct {
	*Message
	FinishedAt time.Time
}
