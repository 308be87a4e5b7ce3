package account

import (
	"context"

	"postern/domain"
)

// Current returns what a caller may do now whom [Service.Authenticate] let in
// some time ago, so that a session gives no more than its credential would if it
// were shown again: the role is the one of now. A token that was deleted or has
// expired, an administrator who is gone, and a password that was set anew since
// are domain.Unauthenticated. An address that [Principal.At] set is held against
// those that the token allows. It counts as no attempt and waits for nobody.
//
// Principals are those of this very service: after a restart none made with a
// password is known.
func (s *Service) Current(ctx context.Context, p Principal) (Principal, error) {
	if p.Token != "" {
		return s.currentBearer(ctx, p)
	}
	return s.currentPerson(ctx, p)
}

func (s *Service) currentBearer(ctx context.Context, p Principal) (Principal, error) {
	token, err := s.tokens.Token(ctx, p.Token)
	switch {
	case domain.KindOf(err) == domain.NotFound:
		return Principal{}, domain.E(domain.Unauthenticated, "the token was deleted")
	case err != nil:
		return Principal{}, domain.Wrap(err, "look up the token")
	}
	limited := token.limited()
	if !p.from.IsValid() { // nobody said where the caller is
		token.Addresses = nil
	}
	now, err := s.bearer(token, p.from)
	now.Limited = limited && err == nil
	return now, err
}

func (s *Service) currentPerson(ctx context.Context, p Principal) (Principal, error) {
	a, err := s.administrators.Administrator(ctx, p.Name)
	switch {
	case domain.KindOf(err) == domain.NotFound:
		return Principal{}, domain.E(domain.Unauthenticated, "the administrator is gone")
	case err != nil:
		return Principal{}, domain.Wrap(err, "look up the administrator")
	}
	if a.Disabled {
		return Principal{}, errDisabled()
	}
	now := s.person(a)
	if now.password != p.password {
		return Principal{}, domain.E(domain.Unauthenticated, "the password was set anew")
	}
	return now, nil
}
