package account

import (
	"context"
	"errors"
	"testing"
	"time"

	"postern/domain"
)

// enter logs in and fails the test if that fails.
func (s *Service) enter(t *testing.T, user, password string) Principal {
	t.Helper()
	p, err := s.Authenticate(t.Context(), Credential{user, password}, home)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantCurrent(t *testing.T, s *Service, p Principal, want Role) {
	t.Helper()
	now, err := s.Current(t.Context(), p)
	if err != nil || now.Role != want || now.Name != p.Name || now.Token != p.Token {
		t.Errorf("%s is now %+v, error %v; want the role %s", p.Name, now, err, want)
	}
}

func wantEnded(t *testing.T, s *Service, p Principal) {
	t.Helper()
	now, err := s.Current(t.Context(), p)
	wantKind(t, err, domain.Unauthenticated)
	if now != (Principal{}) {
		t.Errorf("%s is still %+v", p.Name, now)
	}
}

func TestCurrentToken(t *testing.T) {
	s, store, c, first := newTestService(t)
	expiry := c.Now().Add(time.Hour)
	secret, token, err := s.CreateToken(t.Context(), Principal{Role: RoleAdmin}, TokenSpec{Name: "script", Role: RoleAdmin, ExpiresAt: &expiry})
	if err != nil {
		t.Fatal(err)
	}
	script, endless := s.enter(t, "", secret), s.enter(t, "", first)
	wantCurrent(t, s, script, RoleAdmin)

	lowered := token
	lowered.Role = RoleViewer
	store.tokens[token.ID] = lowered
	wantCurrent(t, s, script, RoleViewer)

	c.advance(time.Hour)
	wantEnded(t, s, script)
	wantCurrent(t, s, endless, RoleAdmin)

	if err := s.DeleteToken(t.Context(), endless.Token); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, s, endless)
	if _, _, err := s.CreateToken(t.Context(), Principal{Role: RoleAdmin}, TokenSpec{Name: "first-start", Role: RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, s, endless) // another token of the same name
}

func TestCurrentAdministrator(t *testing.T) {
	s, store, c, _ := newTestService(t)
	p := s.enter(t, "admin", password)
	c.advance(24 * time.Hour) // longer than any password is remembered
	wantCurrent(t, s, p, RoleAdmin)

	lowered := store.administrators["admin"]
	lowered.Role = RoleViewer
	store.administrators["admin"] = lowered
	wantCurrent(t, s, p, RoleViewer)

	delete(store.administrators, "admin")
	wantEnded(t, s, p)
}

func TestNewPasswordEndsWhatTheOldOneOpened(t *testing.T) {
	s, _, _, token := newTestService(t)
	before, machine := s.enter(t, "admin", password), s.enter(t, "", token)
	if err := s.SetPassword(t.Context(), "admin", "another long password"); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, s, before)
	wantCurrent(t, s, machine, RoleAdmin)
	after := s.enter(t, "admin", "another long password")
	wantCurrent(t, s, after, RoleAdmin)

	// Back to the first: the sessions of then stay ended.
	if err := s.SetPassword(t.Context(), "admin", password); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, s, before)
	wantEnded(t, s, after)
}

func TestCurrentKnowsOnlyWhomItLetIn(t *testing.T) {
	s, _, _, _ := newTestService(t)
	wantEnded(t, s, Principal{})
	wantEnded(t, s, Principal{Name: "admin", Role: RoleAdmin})
	wantEnded(t, s, Principal{Name: "admin", Role: RoleAdmin, Token: "no such"})
}

// out is a store that cannot be read now.
type out struct{ *memory }

var errOut = domain.E(domain.Unavailable, "the database is busy")

func (out) Token(context.Context, string) (Token, error) { return Token{}, errOut }

func (out) Administrator(context.Context, string) (Administrator, error) {
	return Administrator{}, errOut
}

// Who cannot be looked up is not let in, and not told that his credential is
// wrong.
func TestCurrentWithoutAStore(t *testing.T) {
	s, store, _, token := newTestService(t)
	callers := []Principal{s.enter(t, "admin", password), s.enter(t, "", token)}
	s.administrators, s.tokens = out{store}, out{store}
	for _, p := range callers {
		if now, err := s.Current(t.Context(), p); !errors.Is(err, errOut) || now != (Principal{}) {
			t.Errorf("%s is now %+v, error %v", p.Name, now, err)
		}
	}
}
