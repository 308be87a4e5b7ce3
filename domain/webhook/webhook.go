// Package webhook is how far each webhook has come with the events that it gets,
// and what became of posting them.
//
// A webhook follows the log of events by a position of its own, which is stored: a
// restart goes on where the stop came. Events are posted in order, one at a time,
// each until it is taken; so they arrive at least once, and never one before
// another. While a receiver cannot be reached nothing is given up, and the tries
// grow rare. A receiver that answers and refuses an event, again and again, holds
// up those behind it no longer than [Refusals] tries: then the event is marked as
// failed, and can be replayed.
package webhook

import (
	"context"
	"slices"
	"time"
)

// State is how far a webhook has come.
type State struct {
	Webhook  string // name
	Position int64  // number of the last event that is settled
	// Failures counts the tries that failed since the last good one, the first of
	// them at FailingSince.
	Failures     int
	FailingSince *time.Time
	NextTry      *time.Time // nil: at once
}

// Outcome is how a delivery stands.
type Outcome string

// The outcomes.
const (
	Pending   Outcome = "pending" // is tried again
	Delivered Outcome = "delivered"
	Failed    Outcome = "failed" // was refused, and is tried no more
)

// Attempt is one try to post an event.
type Attempt struct {
	At           time.Time `json:"at"`
	Status       int       `json:"status,omitempty"` // of HTTP; 0: there was no answer
	Error        string    `json:"error,omitempty"`
	Milliseconds int64     `json:"milliseconds"`
}

// Delivery is what became of one event at one webhook.
type Delivery struct {
	Webhook  string
	Event    int64 // number
	Type     string
	Outcome  Outcome
	Attempts []Attempt // the newest last; of many the newest
}

// maxAttempts bounds the attempts that are kept of a delivery.
const maxAttempts = 20

// With returns the delivery with one more attempt.
func (d Delivery) With(o Outcome, a Attempt) Delivery {
	d.Outcome = o
	d.Attempts = append(slices.Clone(d.Attempts), a)
	d.Attempts = d.Attempts[max(0, len(d.Attempts)-maxAttempts):]
	return d
}

// Refusals is after how many tries an event is given up that the receiver refuses.
const Refusals = 6

// alarmAfter is how long a webhook may fail before somebody has to know.
const alarmAfter = time.Hour

// pauses are those after the first failure, the second, and so on; after the last
// of them it stays at that.
var pauses = [...]time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

// Succeeded returns the state after an event was taken.
func (s State) Succeeded(event int64) State {
	return State{Webhook: s.Webhook, Position: event}
}

// FailedAt returns the state after a try that failed. spread changes a pause a
// little, so that receivers that fail together are not called together.
func (s State) FailedAt(now time.Time, spread func(time.Duration) time.Duration) State {
	if s.Failures == 0 {
		s.FailingSince = &now
	}
	s.NextTry = new(now.Add(spread(pauses[min(s.Failures, len(pauses)-1)])))
	s.Failures++
	return s
}

// Alarming reports whether the webhook has failed for so long that somebody has to
// know.
func (s State) Alarming(now time.Time) bool {
	return s.FailingSince != nil && now.Sub(*s.FailingSince) >= alarmAfter
}

// Query selects a page of the deliveries of a webhook, the newest first.
type Query struct {
	Webhook string
	Before  int64 // the last event of the page before; 0 for the first page
	Limit   int
	Outcome Outcome // only these; empty for all
}

// Store keeps states and deliveries. Implementations are safe for concurrent use
// and report what is missing as [domain.NotFound].
type Store interface {
	State(ctx context.Context, webhook string) (State, error)
	// Save writes the state and the delivery in one transaction; nil leaves either
	// as it is.
	Save(ctx context.Context, s *State, d *Delivery) error
	Delivery(ctx context.Context, webhook string, event int64) (Delivery, error)
	Deliveries(ctx context.Context, q Query) ([]Delivery, error)
	// Keep forgets all webhooks but the named ones and those that are configured, and
	// deliveries of events that are no longer in the log.
	Keep(ctx context.Context, webhooks []string) error
}
