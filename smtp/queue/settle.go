package queue

import (
	"fmt"
	"strings"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// plan is what follows from an attempt: the settlement, and what the sender is
// to be told.
type plan struct {
	message    *delivery.Message
	settings   policy.QueueSettings
	settlement delivery.Settlement
	waiting    int // recipients that wait no more
	// The recipients with which each kind of notice deals.
	failed, delayed, relayed []delivery.Recipient
}

// plan moves the recipients of an attempt on and says what is to be written. It
// returns nil where the attempt was cut short before anything was decided.
func (s *scheduler) plan(t *task, a delivery.Attempt) *plan {
	now := s.clock.Now()
	p := &plan{message: t.entry.m, settings: s.snapshot().Settings.Queue}
	p.settlement = delivery.Settlement{ID: s.newID(), Attempt: a, At: now}
	results := resultsOf(a)
	cut := s.deliveries.Err() != nil

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range t.recipients {
		r, tried := results[i]
		if !tried && !a.PostponedUntil.IsZero() {
			continue // B21: there was no room for it, which is no try
		}
		if cut && r.Outcome.Status == delivery.Deferred {
			continue // the end of the process is no fault of the recipient
		}
		p.move(t.entry, i, r.Outcome, now)
		p.considerSuccess(t.entry, i, r)
	}
	if len(p.settlement.Progress) == 0 {
		return nil
	}
	p.settlement.Last = t.entry.finished()
	p.considerDelay(t.entry, now)
	return p
}

// resultsOf returns the results by recipient. One that an attempt left out would
// be deferred, as the zero outcome is (B28).
func resultsOf(a delivery.Attempt) map[int]delivery.Result {
	results := make(map[int]delivery.Result, len(a.Results))
	for _, r := range a.Results {
		results[r.Recipient] = r
	}
	return results
}

// considerSuccess plans word of a delivery for a sender who asked for it, where
// the peer has not taken that over (RFC 3461 §5.2.2). Mail that a route discards
// was passed on to nobody.
func (p *plan) considerSuccess(e *entry, i int, r delivery.Result) {
	o := r.Outcome
	if o.Status != delivery.Delivered || o.Stage != delivery.StageTransfer || r.DSN {
		return
	}
	if to := e.m.Recipients[i]; to.Notify != "" && asks(to, notifySuccess) {
		p.relayed = append(p.relayed, e.recipient(i))
	}
}

// move takes a recipient to where the outcome puts it.
func (p *plan) move(e *entry, i int, o delivery.Outcome, now time.Time) {
	slot := &e.slots[i]
	progress := delivery.Progress{Recipient: i, Fence: slot.fence}
	schedule := delivery.ScheduleOf(p.settings)
	slot.attempts++
	if o.Status == delivery.Deferred && schedule.Expired(e.m.ReceivedAt, slot.attempts, now) {
		o = expired(o, schedule.Lifetime)
	}
	slot.last = o
	slot.fence++
	switch o.Status {
	case delivery.Delivered:
		slot.state = delivery.RecipientDelivered
	case delivery.Bounced:
		slot.state = delivery.RecipientBounced
		p.failed = append(p.failed, e.recipient(i))
	case delivery.Deferred:
		slot.next = nextAttempt(schedule, e.m.ReceivedAt, slot.attempts, now)
	}
	if slot.state.Final() {
		p.waiting++
	}
	progress.State, progress.Attempts, progress.NextAttempt, progress.Last = slot.state, slot.attempts, slot.next, o
	p.settlement.Progress = append(p.settlement.Progress, progress)
}

// nextAttempt follows the schedule, with jitter, but does not go beyond the time
// at which the sender is told of the delay, nor beyond that at which the message
// is given up: so neither is late. It has the precision of the store.
func nextAttempt(s delivery.Schedule, received time.Time, attempts int, now time.Time) time.Time {
	next := now.Add(jitter(s.Next(attempts, now).Sub(now)))
	for _, age := range []time.Duration{s.DelayNotice, s.Lifetime} {
		if end := received.Add(age); end.After(now) && end.Before(next) {
			next = end
		}
	}
	return next.Truncate(time.Microsecond)
}

// expired turns a deferral into the bounce at the end of the message's life.
func expired(o delivery.Outcome, lifetime time.Duration) delivery.Outcome {
	bounce := delivery.Outcome{
		Status: delivery.Bounced, Stage: o.Stage, Code: 554, Enhanced: "5.4.7",
		Text: fmt.Sprintf("not delivered within %s", lifetime),
	}
	// B28: what was deferred for its TLS bounces for its TLS.
	if !o.Remote && (o.Enhanced == "4.7.4" || o.Enhanced == "4.7.5") {
		bounce.Enhanced = "5" + o.Enhanced[1:]
	}
	if reason := strings.TrimSpace(o.Enhanced + " " + o.Text); reason != "" {
		bounce.Text += "; the last attempt ended with: " + reason
	}
	return bounce
}

// recipient returns a recipient as it stands now.
func (e *entry) recipient(i int) delivery.Recipient {
	r, slot := e.m.Recipients[i], e.slots[i]
	r.State, r.Attempts, r.NextAttempt, r.Last = slot.state, slot.attempts, slot.next, slot.last
	return r
}

// considerDelay plans the one notice that says that the message is late (B75).
// It deals with every recipient that was tried and still waits.
func (p *plan) considerDelay(e *entry, now time.Time) {
	after := delivery.ScheduleOf(p.settings).DelayNotice
	if e.told || after == 0 || now.Sub(e.m.ReceivedAt) < after {
		return
	}
	for i := range e.slots {
		slot := &e.slots[i]
		if slot.state.Final() || slot.attempts == 0 {
			continue
		}
		p.settlement.DelayNotice = true
		if asks(e.m.Recipients[i], notifyDelay) {
			p.delayed = append(p.delayed, e.recipient(i))
		}
	}
	e.told = e.told || p.settlement.DelayNotice
}

// The words of the NOTIFY parameter (RFC 3461 §4.1).
const (
	notifyFailure = "FAILURE"
	notifyDelay   = "DELAY"
	notifySuccess = "SUCCESS"
)

// asks reports whether the sender wants to hear of what the word says. Who asks
// for nothing hears of failure and delay; NEVER is none of the words.
func asks(r delivery.Recipient, word string) bool {
	if r.Notify == "" {
		return true
	}
	for asked := range strings.SplitSeq(r.Notify, ",") {
		if strings.EqualFold(strings.TrimSpace(asked), word) {
			return true
		}
	}
	return false
}
