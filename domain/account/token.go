package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"

	"postern/domain"
)

// tokenPrefix begins each secret, so that scanners for leaked secrets, and
// [Service.Authenticate], know a token by sight.
const tokenPrefix = "pstn_"

func isToken(password string) bool { return strings.HasPrefix(password, tokenPrefix) }

// hashToken returns the form in which a secret is stored. A secret of random
// bits needs no slow hash.
func hashToken(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// makeToken returns a token and its secret of 130 random bits. Its times are
// whole seconds, which every store and every form of text keeps.
func (s *Service) makeToken(want TokenSpec, author string) (secret string, t Token) {
	secret = tokenPrefix + rand.Text()
	return secret, Token{
		ID: s.newID(), Name: want.Name, Role: want.Role, Hash: hashToken(secret),
		CreatedBy: author, CreatedAt: wholeSeconds(s.now()), ExpiresAt: want.ExpiresAt,
		Addresses: want.Addresses,
	}
}

func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// CreateToken makes a token and returns its secret, which cannot be had again.
// Bad values are domain.Invalid with all faults, a name that exists
// domain.Conflict; what grants more than its maker holds is domain.Forbidden.
func (s *Service) CreateToken(ctx context.Context, by Principal, want TokenSpec) (secret string, t Token, err error) {
	if want.ExpiresAt != nil {
		want.ExpiresAt = new(wholeSeconds(*want.ExpiresAt))
	}
	if err := want.check(s.now()); err != nil {
		return "", Token{}, err
	}
	secret, t = s.makeToken(want, by.Name)
	if t.Scopes, err = ParseScopes(want.Scopes); err != nil {
		return "", Token{}, err
	}
	if err := s.grantsNoMore(ctx, by, t); err != nil {
		return "", Token{}, err
	}
	if err := s.tokens.InsertToken(ctx, t); err != nil {
		return "", Token{}, domain.Wrap(err, "create the token %q", want.Name)
	}
	return secret, t, nil
}

// ListTokens returns tokens with ids after the given one, in order. A limit of
// 0 means 100; more than 1001 are never returned.
func (s *Service) ListTokens(ctx context.Context, after string, limit int) ([]Token, error) {
	list, err := s.tokens.Tokens(ctx, after, pageSize(limit))
	return list, domain.Wrap(err, "list tokens")
}

// Token returns the token with the id, or domain.NotFound.
func (s *Service) Token(ctx context.Context, id string) (Token, error) {
	t, err := s.tokens.Token(ctx, id)
	return t, domain.Wrap(err, "look up the token")
}

// DeleteToken withdraws a token at once, from open sessions too (see
// [Service.Current]), or returns domain.NotFound.
func (s *Service) DeleteToken(ctx context.Context, id string) error {
	return domain.Wrap(s.tokens.DeleteToken(ctx, id, s.now()), "delete the token")
}
