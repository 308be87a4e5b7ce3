package certificate

import (
	"context"
	"slices"
	"time"

	"postern/domain"
	"postern/domain/event"
)

// maxStageAhead is how far ahead an activation may be staged.
const maxStageAhead = 400 * 24 * time.Hour

// ForceActivate is [Service.Activate] without the look at published TLSA records
// (B54).
func (s *Service) ForceActivate(ctx context.Context, author, id, ifMatch string) (Certificate, error) {
	return s.activate(ctx, author, id, ifMatch, true)
}

// Revert activates the certificate that was active before the present one, which
// must still be fit to be served (B41). Called again it goes forward again.
// Without one before, the error is [domain.NotFound].
func (s *Service) Revert(ctx context.Context, author string, force bool) (Certificate, error) {
	previous, err := s.editor.Previous(ctx)
	if err != nil {
		return Certificate{}, domain.Wrap(err, "revert to the previous certificate")
	}
	return s.activate(ctx, author, previous.ID, "", force)
}

// Stage notes that the certificate is to be activated at a time to come; a second
// call moves it. What would refuse the activation now refuses the staging, except
// that the certificate may become valid meanwhile and that TLSA records may be
// published until then. ifMatch is as for [Service.Activate].
func (s *Service) Stage(ctx context.Context, author, id, ifMatch string, at time.Time, force bool) (Certificate, error) {
	pair, err := s.keys.KeyPair(ctx, id)
	if err != nil {
		return Certificate{}, domain.Wrap(err, "stage the activation")
	}
	c := pair.Certificate
	if err := checkMatch(c, ifMatch); err != nil {
		return Certificate{}, err
	}
	if err := s.checkStage(pair, at); err != nil {
		return Certificate{}, err
	}
	c, err = s.editor.Stage(ctx, id, &Staged{At: at.UTC().Truncate(time.Microsecond), By: author, Force: force}, s.act(author))
	if err != nil {
		return Certificate{}, domain.Wrap(err, "stage the activation")
	}
	s.bus.Publish(event.CertificatesChanged)
	return c, nil
}

func (s *Service) checkStage(pair KeyPair, at time.Time) error {
	c, now := pair.Certificate, s.now()
	if c.State == Active {
		return domain.E(domain.Conflict, "certificate %s is active already", c.ID)
	}
	var f domain.Faults
	switch {
	case !at.After(now):
		f.Add("/activate_at", "is past; activate the certificate instead")
	case at.Sub(now) > maxStageAhead:
		f.Add("/activate_at", "is more than 400 days ahead")
	default:
		if err := c.Usable(at); err != nil {
			f.Add("/activate_at", "the certificate cannot be served then: %s", err)
		} else if err := pair.Check(); err != nil {
			f.Add("", "the certificate cannot be served: %s", err)
		}
	}
	return f.Err()
}

// Unstage takes back an activation to come. Where there is none, nothing happens.
func (s *Service) Unstage(ctx context.Context, author, id, ifMatch string) (Certificate, error) {
	c, err := s.store.Get(ctx, id)
	if err != nil {
		return Certificate{}, domain.Wrap(err, "take back the staged activation")
	}
	if err := checkMatch(c, ifMatch); err != nil || c.Staged == nil {
		return c, err
	}
	c, err = s.editor.Stage(ctx, id, nil, s.act(author))
	if err != nil {
		return Certificate{}, domain.Wrap(err, "take back the staged activation")
	}
	s.bus.Publish(event.CertificatesChanged)
	return c, nil
}

// Due performs the staged activations whose time has come, in the order of their
// times, and returns when the next is to be looked at; the zero time: none is
// staged. One that is refused for good is given up and told to failed; another
// failure is the error, and leaves the rest for the next call.
func (s *Service) Due(ctx context.Context, failed func(Certificate, error)) (next time.Time, err error) {
	staged, err := s.store.List(ctx, Query{Staged: true, Limit: maxPage})
	if err != nil {
		return next, domain.Wrap(err, "look for staged activations")
	}
	slices.SortFunc(staged, func(a, b Certificate) int { return a.Staged.At.Compare(b.Staged.At) })
	for _, c := range staged {
		if c.Staged.At.After(s.now()) {
			return c.Staged.At, nil
		}
		// Somebody may have taken it back or moved it since it was read: then the
		// certificate is another.
		_, err := s.activate(ctx, c.Staged.By, c.ID, c.ETag(), c.Staged.Force)
		switch domain.KindOf(err) {
		case domain.Invalid, domain.Conflict:
			failed(c, err)
			if _, err := s.editor.Stage(ctx, c.ID, nil, s.act(systemAuthor)); err != nil {
				return next, domain.Wrap(err, "give up the staged activation")
			}
		case domain.Stale, domain.NotFound:
		default:
			if err != nil {
				return next, err
			}
		}
	}
	return time.Time{}, nil
}
