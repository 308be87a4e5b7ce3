package rest

import (
	"context"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/config"
	"postern/domain/delivery"
)

// MessageExplanation says what becomes of a message and why: its recipients in the groups that one attempt serves together (B29).
type MessageExplanation struct {
	// ID is the queue id.
	ID string `json:"id" validate:"required"`
	// State is queued, held (not tried until released) or finished.
	State string `json:"state" validate:"required" enums:"queued,held,finished"`
	// Why says in a sentence what the message waits for, if anything.
	Why string `json:"why" validate:"required"`
	// RequireTLS is the REQUIRETLS flag (B58).
	RequireTLS bool `json:"require_tls"`
	// TLSRequiredNo is the header TLS-Required: No, which lifts MTA-STS and DANE for this message (B58).
	TLSRequiredNo bool `json:"tls_required_no,omitempty"`
	// Groups of recipients: first those that wait, then those that are settled.
	Groups []RecipientGroup `json:"groups" validate:"required"`
}

// RecipientGroup are recipients that share next hops, requirement and fate.
type RecipientGroup struct {
	// Recipients in the order of the envelope.
	Recipients []Recipient `json:"recipients" validate:"required"`
	// Why says in a sentence what the recipients wait for, or what became of them.
	Why string `json:"why" validate:"required"`
	// Destination is what an attempt would do now; absent where none is left to be made, and behind the tenth group.
	Destination *DestinationExplanation `json:"destination,omitempty"`
	// LastAttempt is the record of the last attempt, with the decision of then; absent before the first.
	LastAttempt *Attempt `json:"last_attempt,omitempty"`
}

// maxLatest bounds the attempts in which the last one for a recipient is looked
// for: a message to hundreds of destinations has one for each in every round.
const maxLatest = 1000

func (a *API) explainOneMessage(c echo.Context) (*MessageExplanation, error) {
	id, err := parseMessageID(c.QueryParam("message"))
	if err != nil {
		return nil, err
	}
	under, err := a.draftSnapshot(c)
	if err != nil {
		return nil, err
	}
	ctx := c.Request().Context()
	m, err := a.messages.Message(ctx, id)
	if err != nil {
		return nil, err
	}
	last, err := a.lastAttempts(ctx, id)
	if err != nil {
		return nil, err
	}
	shown := &MessageExplanation{
		ID: id.String(), State: stateOf(m), RequireTLS: m.RequireTLS, TLSRequiredNo: m.TLSRequiredNo,
		Groups: append(a.waitingGroups(ctx, under, m, last), settledGroups(m, last)...),
	}
	shown.Why = whyMessage(m)
	return shown, nil
}

// lastAttempts finds the last attempt for each recipient.
func (a *API) lastAttempts(ctx context.Context, id delivery.MessageID) (map[int]delivery.RecordedAttempt, error) {
	newestFirst, err := a.messages.LatestAttempts(ctx, id, maxLatest)
	if err != nil {
		return nil, err
	}
	last := map[int]delivery.RecordedAttempt{}
	for _, attempt := range newestFirst {
		for _, result := range attempt.Results {
			if _, known := last[result.Recipient]; !known {
				last[result.Recipient] = attempt
			}
		}
	}
	return last, nil
}

// waitingGroups are the recipients that are still to be tried, as attempts would
// serve them. That they were served together last time too is likely, but for a
// change of policy: the group shows the attempt of its first recipient.
func (a *API) waitingGroups(ctx context.Context, under *config.Snapshot, m *delivery.Message, last map[int]delivery.RecordedAttempt) []RecipientGroup {
	groups := []RecipientGroup{}
	for _, found := range a.explainMessage(ctx, under, m) {
		first := m.Recipients[found.Recipients[0]]
		group := RecipientGroup{Why: whyWaiting(m, first), LastAttempt: showLast(last, first.Index)}
		for _, i := range found.Recipients {
			group.Recipients = append(group.Recipients, showRecipient(m.Recipients[i]))
		}
		if found.Destination != nil {
			group.Destination = showDestination(*found.Destination)
		}
		groups = append(groups, group)
	}
	return groups
}

// settledGroups are the recipients of whom nothing is left to be done, by the
// attempt that settled them and how.
func settledGroups(m *delivery.Message, last map[int]delivery.RecordedAttempt) []RecipientGroup {
	type fate struct {
		attempt delivery.MessageID
		state   delivery.RecipientState
	}
	var groups []RecipientGroup
	index := map[fate]int{}
	for _, r := range m.Recipients {
		if !r.State.Final() {
			continue
		}
		key := fate{last[r.Index].ID, r.State}
		at, known := index[key]
		if !known {
			at, index[key] = len(groups), len(groups)
			groups = append(groups, RecipientGroup{Why: whySettled(r), LastAttempt: showLast(last, r.Index)})
		}
		groups[at].Recipients = append(groups[at].Recipients, showRecipient(r))
	}
	return groups
}

func showLast(last map[int]delivery.RecordedAttempt, recipient int) *Attempt {
	attempt, known := last[recipient]
	if !known {
		return nil
	}
	shown := showAttempt(attempt)
	return &shown
}

// whyMessage says what the message as a whole waits for.
func whyMessage(m *delivery.Message) string {
	switch stateOf(m) {
	case stateFinished:
		return "Nothing is left to be done: every recipient is settled."
	case string(delivery.StateHeld):
		by := ""
		if m.HeldReason != "" {
			by = " by " + m.HeldReason
		}
		return "It is held" + by + ": nothing is tried until it is released."
	}
	return "It is in the queue: each group says what it waits for."
}

// whyWaiting says what a recipient waits for.
func whyWaiting(m *delivery.Message, r delivery.Recipient) string {
	since := "Not tried yet"
	if r.Attempts > 0 {
		since = fmt.Sprintf("After attempt %d it was %s", r.Attempts, r.Last)
	}
	switch {
	case m.Held:
		return since + "; nothing is tried until the message is released."
	case r.NextAttempt.IsZero():
		return since + "; the next attempt is due now."
	}
	return since + "; the next attempt is due at " + r.NextAttempt.UTC().Format(time.RFC3339) + "."
}

// whySettled says what became of a recipient.
func whySettled(r delivery.Recipient) string {
	if r.State == delivery.RecipientDeleted {
		return "An administrator deleted it: it was given up without a bounce."
	}
	return fmt.Sprintf("Attempt %d was the last one: %s.", r.Attempts, r.Last)
}
