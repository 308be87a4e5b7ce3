package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/domain"
)

func TestCreateToken(t *testing.T) {
	s, _, c, _ := newTestService(t)
	operator := Principal{Name: "olga", Role: RoleOperator}
	expiry := c.Now().Add(time.Hour)
	secret, token, err := s.CreateToken(t.Context(), operator, TokenSpec{Name: "script", Role: RoleViewer, ExpiresAt: &expiry})
	if err != nil {
		t.Fatal(err)
	}
	if token.CreatedBy != "olga" || !token.CreatedAt.Equal(c.Now()) || strings.Contains(fmt.Sprint(token), secret) {
		t.Errorf("token %+v", token)
	}
	p, err := s.Authenticate(t.Context(), Credential{"anyone", secret}, home)
	if err != nil || p != (Principal{Name: "token:script", Role: RoleViewer, Token: token.ID, Limited: true}) {
		t.Errorf("principal %+v, error %v", p, err)
	}
	_, _, err = s.CreateToken(t.Context(), operator, TokenSpec{Name: "script", Role: RoleViewer})
	wantKind(t, err, domain.Conflict)
	c.advance(time.Hour)
	wantKind(t, s.login(t, "", secret, home), domain.Unauthenticated)
	if len(s.guesses.addresses) != 0 {
		t.Error("an expired token counts as a guess")
	}
}

func TestTokenGrantsNoMoreThanItsMakerHolds(t *testing.T) {
	s, _, _, _ := newTestService(t)
	for _, tc := range []struct {
		by, role Role
		allowed  bool
	}{
		{RoleViewer, RoleViewer, true},
		{RoleViewer, RoleOperator, false},
		{RoleOperator, RoleCertificateManager, false},
		{RoleCertificateManager, RoleOperator, false},
		{RoleOperator, RoleAdmin, false},
		{RoleAdmin, RoleCertificateManager, true},
		{RoleAdmin, RoleAdmin, true},
	} {
		name := fmt.Sprintf("%s by %s", tc.role, tc.by)
		_, _, err := s.CreateToken(t.Context(), Principal{Role: tc.by}, TokenSpec{Name: name, Role: tc.role})
		if (err == nil) != tc.allowed || err != nil && domain.KindOf(err) != domain.Forbidden {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCreateTokenReportsAllFaults(t *testing.T) {
	s, _, c, _ := newTestService(t)
	past := c.Now()
	_, _, err := s.CreateToken(t.Context(), Principal{Role: RoleAdmin}, TokenSpec{Name: "a\nb", Role: "emperor", ExpiresAt: &past})
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind != domain.Invalid || len(e.Faults) != 3 {
		t.Fatalf("error %v", err)
	}
}

func TestTokenExpiresWithinTheYearsOfRFC3339(t *testing.T) {
	s, _, _, _ := newTestService(t)
	last := time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600))
	_, _, err := s.CreateToken(t.Context(), Principal{Role: RoleAdmin}, TokenSpec{Name: "endless", Role: RoleViewer, ExpiresAt: &last})
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind != domain.Invalid || e.Faults[0].Pointer != "/expires_at" {
		t.Errorf("error %v", err)
	}
}

func TestListAndDeleteTokens(t *testing.T) {
	s, _, _, first := newTestService(t)
	admin := Principal{Name: "admin", Role: RoleAdmin}
	for _, name := range []string{"a", "b"} {
		if _, _, err := s.CreateToken(t.Context(), admin, TokenSpec{Name: name, Role: RoleViewer}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.ListTokens(t.Context(), "", 0)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d tokens, error %v", len(all), err)
	}
	page, err := s.ListTokens(t.Context(), all[0].ID, 1)
	if err != nil || len(page) != 1 || page[0].Name != "a" {
		t.Errorf("second page %v, error %v", page, err)
	}
	one, err := s.Token(t.Context(), page[0].ID)
	if err != nil || one.Name != "a" {
		t.Errorf("token %v, error %v", one, err)
	}
	if err := s.DeleteToken(t.Context(), all[0].ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Token(t.Context(), all[0].ID)
	wantKind(t, err, domain.NotFound)
	wantKind(t, s.login(t, "", first, home), domain.Unauthenticated)
	wantKind(t, s.DeleteToken(t.Context(), all[0].ID), domain.NotFound)
}
