package alert

import (
	"context"
	"time"

	"postern/domain"
)

// maxSilence bounds how long an alert may be silenced: what is silenced for good
// should be resolved, or its recipients changed.
const maxSilence = 366 * 24 * time.Hour

// List returns a page of alerts, the youngest first.
func (s *Service) List(ctx context.Context, q Query) ([]Alert, error) {
	list, err := s.Store.List(ctx, q)
	return list, domain.Wrap(err, "list alerts")
}

// Get returns the alert with the id, or [domain.NotFound].
func (s *Service) Get(ctx context.Context, id string) (Alert, error) {
	a, err := s.Store.Get(ctx, id)
	return a, domain.Wrap(err, "get alert")
}

// Acknowledge says that somebody looks after the alert: nobody is notified of
// its repeats any more. It refuses a resolved one with [domain.Conflict].
func (s *Service) Acknowledge(ctx context.Context, id, who string) (Alert, error) {
	return s.change(ctx, id, func(a Alert, _ time.Time) (Alert, error) {
		a.State, a.AcknowledgedBy = Acknowledged, who
		return a, nil
	})
}

// Silence keeps notifications of the alert back until the time; one that is not
// in the future ends the silence. It refuses a resolved alert with
// [domain.Conflict].
func (s *Service) Silence(ctx context.Context, id string, until time.Time) (Alert, error) {
	return s.change(ctx, id, func(a Alert, now time.Time) (Alert, error) {
		if until.Sub(now) > maxSilence {
			return a, &domain.Error{Kind: domain.Invalid, Field: "/until", Detail: "may be a year ahead at most"}
		}
		a.SilencedUntil = nil
		if until.After(now) {
			a.SilencedUntil = new(until.UTC())
		}
		return a, nil
	})
}

// ResolveByHand ends the alert by somebody's word. Its cause may raise it again.
// It refuses a resolved one with [domain.Conflict].
func (s *Service) ResolveByHand(ctx context.Context, id, who string) (Alert, error) {
	return s.change(ctx, id, func(a Alert, now time.Time) (Alert, error) {
		return a.resolved("by "+who, now), nil
	})
}

// change makes a change to an alert that is not resolved.
func (s *Service) change(ctx context.Context, id string, do func(Alert, time.Time) (Alert, error)) (Alert, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	a, err := s.find(ctx, id)
	if err != nil {
		return Alert{}, domain.Wrap(err, "find the alert")
	}
	if a.State == Resolved {
		return Alert{}, domain.E(domain.Conflict, "alert %s is resolved", id)
	}
	if a, err = do(a, s.Now().UTC()); err != nil {
		return Alert{}, err
	}
	return a, s.keepFound(ctx, a)
}
