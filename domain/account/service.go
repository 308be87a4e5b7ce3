package account

import (
	"context"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/domain"
)

// AdministratorStore keeps administrators. Implementations are safe for
// concurrent use and return [domain.Error]s.
type AdministratorStore interface {
	// Administrator returns the administrator of that name, or domain.NotFound.
	Administrator(ctx context.Context, name string) (Administrator, error)
	// SetPasswordHash replaces the password, or returns domain.NotFound.
	SetPasswordHash(ctx context.Context, name, hash string, at time.Time) error
	// Administrators returns up to limit administrators with names after the
	// given one, in order.
	Administrators(ctx context.Context, after string, limit int) ([]Administrator, error)
	// CreateFirst stores both in one transaction, unless there is an
	// administrator already: then it stores neither and returns false.
	CreateFirst(ctx context.Context, a Administrator, t Token) (created bool, err error)
}

// TokenStore keeps tokens. Implementations are safe for concurrent use and
// return [domain.Error]s.
type TokenStore interface {
	// TokenByHash returns the token with the hash, or domain.NotFound.
	TokenByHash(ctx context.Context, hash []byte) (Token, error)
	// Token returns the token with the id, or domain.NotFound.
	Token(ctx context.Context, id string) (Token, error)
	// InsertToken stores a token; one with a name that exists is
	// domain.Conflict.
	InsertToken(ctx context.Context, t Token) error
	// Tokens returns up to limit tokens with ids after the given one, in order.
	Tokens(ctx context.Context, after string, limit int) ([]Token, error)
	// DeleteToken removes a token, or returns domain.NotFound.
	DeleteToken(ctx context.Context, id string, at time.Time) error
}

// Dependencies is what a [Service] is built on. All fields are required.
type Dependencies struct {
	Administrators AdministratorStore
	Tokens         TokenStore
	Roster         Roster
	TokenUses      TokenUseStore
	Now            func() time.Time
	// NewID returns a text id that sorts after all ids it returned before.
	NewID func() string
}

// Service finds out who calls, and keeps administrators' passwords and tokens.
// It is safe for concurrent use.
type Service struct {
	administrators AdministratorStore
	tokens         TokenStore
	roster         Roster
	tokenUses      TokenUseStore
	uses           *uses
	now            func() time.Time
	newID          func() string
	passwords      *passwordChecker
	guesses        *guesses
}

// NewService returns a service on its dependencies.
func NewService(d Dependencies) *Service {
	return &Service{
		administrators: d.Administrators,
		tokens:         d.Tokens,
		roster:         d.Roster,
		tokenUses:      d.TokenUses,
		uses:           newUses(),
		now:            d.Now,
		newID:          d.NewID,
		passwords:      newPasswordChecker(),
		guesses:        newGuesses(),
	}
}

// firstAdministrator is the one that a fresh installation has.
const firstAdministrator = "admin"

// Authenticate returns whose credential it is: that of a token if the password
// looks like one, else of an administrator. Anything wrong is
// domain.Unauthenticated; a token that is used from an address where it may not
// be is domain.Forbidden. Who guesses too much is slowed down with
// domain.Exhausted, whose error says by RetryAfter() time.Duration how long.
//
// from is the address of the caller, as the connection has it; callers without
// one count as one.
func (s *Service) Authenticate(ctx context.Context, shown Credential, from netip.Addr) (Principal, error) {
	if shown.Password == "" {
		return Principal{}, wrongCredential()
	}
	if isToken(shown.Password) {
		return s.authenticateToken(ctx, shown.Password, from)
	}
	return s.authenticatePassword(ctx, shown, from)
}

// wrongCredential does not tell an unknown name from a wrong password.
func wrongCredential() error {
	return domain.E(domain.Unauthenticated, "the user name, password or token is wrong")
}

// authenticateToken looks the token up before it asks whether the caller has
// to wait: nobody can guess 130 random bits, and so a machine with a good token
// need not suffer for a neighbour behind the same address. Who has to wait is
// told so and not counted again: hammering makes it no longer.
func (s *Service) authenticateToken(ctx context.Context, secret string, from netip.Addr) (Principal, error) {
	token, err := s.tokens.TokenByHash(ctx, hashToken(secret))
	switch {
	case domain.KindOf(err) == domain.NotFound:
		try := attempt{from: from}
		if err := s.guesses.check(try, s.now()); err != nil {
			return Principal{}, err
		}
		return Principal{}, s.refuse(try)
	case err != nil:
		return Principal{}, domain.Wrap(err, "look up the token")
	}
	p, err := s.bearer(token, from)
	if err == nil {
		s.uses.note(TokenUse{ID: token.ID, At: wholeSeconds(s.now()), From: from})
	}
	return p, err
}

// bearer returns who holds the token, unless it has expired or is used from
// where it may not. The principal of that refusal has a name only.
func (s *Service) bearer(t Token, from netip.Addr) (Principal, error) {
	if !t.allowsFrom(from) {
		return Principal{Name: "token:" + t.Name}, domain.E(domain.Forbidden, "the token may not be used from this address")
	}
	if t.ExpiresAt != nil && !s.now().Before(*t.ExpiresAt) {
		return Principal{}, domain.E(domain.Unauthenticated, "the token expired on %s", t.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return Principal{Name: "token:" + t.Name, Role: t.Role, Token: t.ID, Scopes: t.Scopes, Limited: t.limited()}, nil
}

func (s *Service) authenticatePassword(ctx context.Context, shown Credential, from netip.Addr) (Principal, error) {
	try := attempt{from: from, account: shown.User}
	if err := s.guesses.check(try, s.now()); err != nil {
		return Principal{}, err
	}
	a, err := s.administrators.Administrator(ctx, shown.User)
	if err != nil && domain.KindOf(err) != domain.NotFound {
		return Principal{}, domain.Wrap(err, "look up the administrator")
	}
	if err := s.checkPassword(ctx, a, shown.Password, try); err != nil {
		return Principal{}, err
	}
	s.guesses.succeeded(try)
	if a.Disabled { // who does not know the password is not told
		return Principal{}, errDisabled()
	}
	return s.person(a), nil
}

func errDisabled() error { return domain.E(domain.Unauthenticated, "the administrator is disabled") }

// person returns the administrator as a caller with the password of now.
func (s *Service) person(a Administrator) Principal {
	return Principal{Name: a.Name, Role: a.Role, password: s.passwords.mark(a)}
}

// checkPassword answers from memory where the same password was right a moment
// ago; Basic authentication sends it with each call. The zero administrator has
// no password and costs as much time as one who has.
func (s *Service) checkPassword(ctx context.Context, a Administrator, password string, try attempt) error {
	if s.passwords.remembers(a, password, s.now()) {
		return nil
	}
	leave, err := s.passwords.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	// Others may have failed while this one waited for its turn: many guesses
	// at once are as slow as one after the other.
	if err := s.guesses.check(try, s.now()); err != nil {
		return err
	}
	if !s.passwords.verify(a, password, s.now()) {
		return s.refuse(try)
	}
	return nil
}

// refuse counts a failure and returns the error for it.
func (s *Service) refuse(try attempt) error {
	s.guesses.failed(try, s.now())
	return wrongCredential()
}

// EnsureAdministrator makes sure that someone can get in. In a fresh store it
// creates the administrator "admin", who has no password yet, and a token with
// the same rights, whose secret is returned this once.
func (s *Service) EnsureAdministrator(ctx context.Context) (secret string, created bool, err error) {
	now := s.now().UTC()
	secret, token := s.makeToken(TokenSpec{Name: "first-start", Role: RoleAdmin}, "postern")
	created, err = s.administrators.CreateFirst(ctx, Administrator{
		Name: firstAdministrator, Role: RoleAdmin, CreatedAt: now,
	}, token)
	if err != nil || !created {
		return "", false, domain.Wrap(err, "create the first administrator")
	}
	return secret, true, nil
}

// Page sizes of lists. The largest is a page of 1000, and the one more that
// shows that the list goes on.
const (
	defaultPage = 100
	maxPage     = 1001
)

// pageSize bounds what a caller asked for; 0 is no wish.
func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

// checkName adds a fault for a name that would not be fit for a log line.
func checkName(faults *domain.Faults, pointer, name string) {
	const maxName = 64
	switch {
	case name == "":
		faults.Add(pointer, "must not be empty")
	case utf8.RuneCountInString(name) > maxName:
		faults.Add(pointer, "must have at most %d characters", maxName)
	}
	for _, r := range name {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			faults.Add(pointer, "must have printable characters only")
			return
		}
	}
}
