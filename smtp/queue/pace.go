package queue

import (
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// paces count the recipients of destinations that have a rate (B21). They
// outlive the lanes, which end with the mail that is there, so that a
// destination cannot have its rate twice.
type paces map[mailaddr.DomainName]*pace

type pace struct {
	window delivery.RateWindow
	over   time.Time // when it counts for nothing
}

// maxPaces is the number of paces from which on those that are over are dropped.
const maxPaces = 10_000

func (p paces) of(destination mailaddr.DomainName, now time.Time) *pace {
	found := p[destination]
	if found == nil {
		if len(p) >= maxPaces {
			p.forget(now)
		}
		found = new(pace)
		p[destination] = found
	}
	return found
}

func (p paces) forget(now time.Time) {
	for destination, each := range p {
		if !now.Before(each.over) {
			delete(p, destination)
		}
	}
}

// rateOf is the rate that the queue holds the lane to; nil where there is none.
// One per MX address is held where addresses are known, by the transport.
func (s *scheduler) rateOf(l *lane) *policy.RecipientRate {
	control := l.controlIn(s.snapshot())
	if control.LimitPer == policy.LimitPerMXAddress || !control.RecipientRate.Limits() {
		return nil
	}
	return control.RecipientRate
}

// room is how many recipients the lane may try now. Where there is none, the
// lane pauses until there is.
func (s *scheduler) room(l *lane, now time.Time) int {
	rate := s.rateOf(l)
	if rate == nil {
		return maxRecipients
	}
	room, until := s.paces.of(l.destination, now).window.Room(rate, now)
	if room == 0 {
		l.pausedUntil = until
	}
	return min(room, maxRecipients)
}

// spend counts recipients of the lane that are about to be tried.
func (s *scheduler) spend(l *lane, recipients int, now time.Time) {
	if rate := s.rateOf(l); rate != nil {
		p := s.paces.of(l.destination, now)
		p.window.Spend(recipients, now)
		p.over = now.Add(time.Duration(rate.Minutes) * time.Minute)
	}
}

// refund takes back one recipient of the lane that goes with a later try.
func (s *scheduler) refund(l *lane) {
	if p := s.paces[l.destination]; p != nil {
		p.window.Refund(1)
	}
}

// keepRest puts a message back of which the rate left some recipients out.
func (s *scheduler) keepRest(l *lane, e *entry, now time.Time) {
	if !s.inLane(e, l) && len(e.due(l.destination, now, 1)) > 0 {
		l.pushFront(e)
	}
}

// limited reports whether the recipient's destination has a rate of its own. It
// does not ride along with others then: its lane counts what it tries.
func (s *scheduler) limited(slot *slot) bool {
	control, _ := s.snapshot().Control(slot.destination)
	return control.RecipientRate.Limits()
}

// pauseCheck is how often a pause is looked at again, so that higher limits
// take effect soon.
const pauseCheck = 30 * time.Second

// paused reports whether the limits of the destination leave no room now. A
// change of configuration ends the pause: the limits may be others.
func (s *scheduler) paused(l *lane, now time.Time) bool {
	if l.limitOf != s.snapshot() {
		l.pausedUntil = time.Time{}
	}
	return now.Before(l.pausedUntil)
}

// maxAddresses bounds the addresses that a lane knows.
const maxAddresses = 40

// observe learns from an attempt under limits per MX address: to how many
// addresses the destination's mail goes, and when there is room again where an
// address had none (B21).
func (s *scheduler) observe(t *task, a delivery.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := t.lane
	if l.control.LimitPer != policy.LimitPerMXAddress {
		l.addresses = nil
		return
	}
	if l.addresses == nil {
		l.addresses = map[string]struct{}{}
	}
	for _, host := range a.Hosts {
		if host.Address != "" && len(l.addresses) < maxAddresses {
			l.addresses[host.Address] = struct{}{}
		}
	}
	// What was not tried is read from disk again when the pause is over.
	if !a.PostponedUntil.IsZero() {
		wait := a.PostponedUntil.Sub(a.At.Add(a.Duration)) // by the transport's clock
		l.pausedUntil = s.clock.Now().Add(jitter(wait))
	}
}
