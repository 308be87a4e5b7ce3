package account

import (
	"context"
	"unicode/utf8"

	"postern/domain"
)

// ListAdministrators returns administrators with names after the given one, in
// order. A limit of 0 means 100; more than 1001 are never returned.
func (s *Service) ListAdministrators(ctx context.Context, after string, limit int) ([]Administrator, error) {
	list, err := s.administrators.Administrators(ctx, after, pageSize(limit))
	return list, domain.Wrap(err, "list administrators")
}

// Administrator returns the administrator of that name, or domain.NotFound.
func (s *Service) Administrator(ctx context.Context, name string) (Administrator, error) {
	a, err := s.administrators.Administrator(ctx, name)
	return a, domain.Wrap(err, "look up the administrator")
}

// ChangePassword is [Service.SetPassword] in a caller's name: administrators
// may change their own password, and the role admin those of all. Anyone else
// is domain.Forbidden, whether the name exists or not. A token is not the
// administrator who made it.
func (s *Service) ChangePassword(ctx context.Context, by Principal, name, password string) error {
	own := by.Token == "" && by.Name == name
	if !own && !by.Allows(RoleAdmin) {
		return domain.E(domain.Forbidden, "only the administrator %q, or one with the role admin, may set this password", name)
	}
	if !own {
		if err := by.checkUnlimited("set the passwords of administrators"); err != nil {
			return err
		}
	}
	return s.SetPassword(ctx, name, password)
}

// Bounds of a password. NIST SP 800-63B §3.1.1.2 asks for a minimum length and
// for no rules of composition; the maximum keeps a request from being work.
const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes
)

// SetPassword replaces an administrator's password. A password that is too
// short or too long is domain.Invalid at /password, an unknown name
// domain.NotFound. The former password counts no more, nor do the sessions that
// it opened (see [Service.Current]).
func (s *Service) SetPassword(ctx context.Context, name, password string) error {
	var faults domain.Faults
	switch {
	case !utf8.ValidString(password):
		faults.Add("/password", "must be UTF-8 text")
	case utf8.RuneCountInString(password) < minPassword:
		faults.Add("/password", "must have at least %d characters", minPassword)
	case len(password) > maxPassword:
		faults.Add("/password", "must have at most %d bytes", maxPassword)
	case isToken(password):
		faults.Add("/password", "must not begin with %q, as tokens do", tokenPrefix)
	}
	if err := faults.Err(); err != nil {
		return err
	}
	leave, err := s.passwords.enter(ctx)
	if err != nil {
		return err
	}
	hash := hashPassword(password)
	leave()
	return domain.Wrap(s.administrators.SetPasswordHash(ctx, name, hash, s.now()), "set the password of %q", name)
}
