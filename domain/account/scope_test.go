package account

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/domain"
)

var root = Principal{Name: "admin", Role: RoleAdmin}

func TestScopes(t *testing.T) {
	set, err := ParseScopes([]string{"queue", "read"})
	if err != nil || set.String() != "read, queue" || !set.Allows(ScopeQueue) || set.Allows(ScopeConfig) {
		t.Errorf("set %s, error %v", set, err)
	}
	if _, err := ParseScopes([]string{"everything"}); domain.KindOf(err) != domain.Invalid {
		t.Errorf("error %v", err)
	}
	if all := Scopes(0); !all.Allows(ScopeAudit) || all.String() != "all" || all.Names() != nil {
		t.Errorf("the zero value is %s", all)
	}
	for _, tc := range []struct {
		inner, outer Scopes
		want         bool
	}{{0, 0, true}, {1, 0, true}, {1, 3, true}, {3, 1, false}, {0, 1, false}, {1, 1, true}} {
		if got := tc.inner.Within(tc.outer); got != tc.want {
			t.Errorf("%s within %s: %t", tc.inner, tc.outer, got)
		}
	}
}

func TestTokenIsHeldToItsScopes(t *testing.T) {
	s, _, _, _ := newTestService(t)
	secret, _, err := s.CreateToken(t.Context(), root, TokenSpec{Name: "queue", Role: RoleAdmin, Scopes: []string{"queue"}})
	if err != nil {
		t.Fatal(err)
	}
	p := s.enter(t, "", secret)
	if err := p.Authorize(RoleOperator, ScopeQueue); err != nil {
		t.Error(err)
	}
	err = p.Authorize(RoleAdmin, ScopeConfig)
	wantKind(t, err, domain.Forbidden)
	if !strings.Contains(err.Error(), "scope config") {
		t.Errorf("the refusal does not name the scope: %v", err)
	}
	if now, err := s.Current(t.Context(), p); err != nil || now.Scopes != p.Scopes {
		t.Errorf("in a session it is %+v, error %v", now, err)
	}
	wantKind(t, s.ChangePassword(t.Context(), p, "admin", "another password"), domain.Forbidden)
	_, _, err = s.PutAdministrator(t.Context(), p, AdministratorChange{Name: "eve", Role: RoleAdmin})
	wantKind(t, err, domain.Forbidden)
	wantKind(t, s.DeleteAdministrator(t.Context(), p, "admin", nil), domain.Forbidden)
}

func TestTokenIsGoodFromItsAddressesOnly(t *testing.T) {
	s, _, _, _ := newTestService(t)
	secret, _, err := s.CreateToken(t.Context(), root, TokenSpec{
		Name: "near", Role: RoleViewer, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Authenticate(t.Context(), Credential{Password: secret}, netip.MustParseAddr("::ffff:192.0.2.9"))
	if err != nil {
		t.Fatal(err)
	}
	refused, err := s.Authenticate(t.Context(), Credential{Password: secret}, outside)
	wantKind(t, err, domain.Forbidden)
	if refused.Role != "" || refused.Name != "token:near" {
		t.Errorf("refused principal %+v", refused)
	}
	_, err = s.Current(t.Context(), p.At(outside))
	wantKind(t, err, domain.Forbidden)
	if _, err := s.Current(t.Context(), p.At(home)); err != nil {
		t.Error(err)
	}
	if len(s.guesses.addresses) != 0 {
		t.Error("a good token from elsewhere counts as a guess")
	}
}

func TestTokenMadeByATokenGrantsNoMore(t *testing.T) {
	s, _, c, _ := newTestService(t)
	soon, later := c.Now().Add(time.Hour), c.Now().Add(2*time.Hour)
	near := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	secret, _, err := s.CreateToken(t.Context(), root, TokenSpec{
		Name: "maker", Role: RoleAdmin, Scopes: []string{"read", "accounts"}, Addresses: near, ExpiresAt: &soon,
	})
	if err != nil {
		t.Fatal(err)
	}
	maker := s.enter(t, "", secret)
	good := TokenSpec{Role: RoleAdmin, Scopes: []string{"read"}, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, ExpiresAt: &soon}
	for name, spoil := range map[string]func(*TokenSpec){
		"":             func(*TokenSpec) {},
		"no scopes":    func(w *TokenSpec) { w.Scopes = nil },
		"other scope":  func(w *TokenSpec) { w.Scopes = []string{"read", "queue"} },
		"anywhere":     func(w *TokenSpec) { w.Addresses = nil },
		"wider":        func(w *TokenSpec) { w.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.0.0/16")} },
		"lives longer": func(w *TokenSpec) { w.ExpiresAt = &later },
		"for ever":     func(w *TokenSpec) { w.ExpiresAt = nil },
	} {
		want := good
		want.Name = "made " + name
		spoil(&want)
		_, _, err := s.CreateToken(t.Context(), maker, want)
		if name == "" && err != nil || name != "" && domain.KindOf(err) != domain.Forbidden {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestFaultsOfScopesAndAddresses(t *testing.T) {
	s, _, _, _ := newTestService(t)
	for pointer, want := range map[string]TokenSpec{
		"/scopes/1":            {Scopes: []string{"read", "write"}},
		"/allowed_addresses/0": {Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
		"/allowed_addresses":   {Addresses: make([]netip.Prefix, maxAddresses+1)},
	} {
		want.Name, want.Role = "t", RoleViewer
		_, _, err := s.CreateToken(t.Context(), root, want)
		wantKind(t, err, domain.Invalid)
		if !strings.Contains(err.Error(), pointer+":") {
			t.Errorf("%s is not in %v", pointer, err)
		}
	}
}

func TestLastUseOfATokenIsKept(t *testing.T) {
	s, store, c, secret := newTestService(t)
	p := s.enter(t, "", secret)
	if store.tokens[p.Token].LastUsedAt != nil {
		t.Error("it was written at once")
	}
	if err := s.FlushUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	if used := store.tokens[p.Token]; used.LastUsedAt == nil || !used.LastUsedAt.Equal(c.Now()) || used.LastUsedFrom != home {
		t.Errorf("token %+v", used)
	}
}
