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
func (s *Service) makeToken(name string, role Role, author string, expiresAt *time.Time) (secret string, t Token) {
	secret = tokenPrefix + rand.Text()
	return secret, Token{
		ID: s.newID(), Name: name, Role: role, Hash: hashToken(secret),
		CreatedBy: author, CreatedAt: wholeSeconds(s.now()), ExpiresAt: expiresAt,
	}
}

func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// CreateToken makes a token and returns its secret, which cannot be had again.
// expiresAt is nil for a token that never expires. Bad values are
// domain.Invalid with all faults, a name that exists domain.Conflict; a role
// that holds more than its maker's is domain.Forbidden.
func (s *Service) CreateToken(ctx context.Context, by Principal, name string, role Role, expiresAt *time.Time) (secret string, t Token, err error) {
	if expiresAt != nil {
		expiresAt = new(wholeSeconds(*expiresAt))
	}
	if err := s.checkToken(name, role, expiresAt); err != nil {
		return "", Token{}, err
	}
	if !by.Allows(role) {
		return "", Token{}, domain.E(domain.Forbidden, "a token cannot hold the role %s, which you do not have", role)
	}
	secret, t = s.makeToken(name, role, by.Name, expiresAt)
	if err := s.tokens.InsertToken(ctx, t); err != nil {
		return "", Token{}, domain.Wrap(err, "create the token %q", name)
	}
	return secret, t, nil
}

func (s *Service) checkToken(name string, role Role, expiresAt *time.Time) error {
	var faults domain.Faults
	checkName(&faults, "/name", name)
	if _, err := ParseRole(string(role)); err != nil {
		faults.Add("/role", "%s", err)
	}
	switch {
	case expiresAt == nil:
	case !expiresAt.After(s.now()):
		faults.Add("/expires_at", "must lie in the future")
	case expiresAt.Year() > 9999: // which RFC 3339 cannot write
		faults.Add("/expires_at", "must lie before the year 10000")
	}
	return faults.Err()
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
	return domain.Wrap(s.tokens.DeleteToken(ctx, id), "delete the token")
}
