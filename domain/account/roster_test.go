package account

import (
	"net/netip"
	"testing"
	"time"

	"postern/domain"
)

func put(t *testing.T, s *Service, name string, role Role, disabled bool) error {
	t.Helper()
	_, _, err := s.PutAdministrator(t.Context(), root, AdministratorChange{Name: name, Role: role, Disabled: disabled})
	return err
}

func TestLifeOfAnAdministrator(t *testing.T) {
	s, _, _, _ := newTestService(t)
	stored, created, err := s.PutAdministrator(t.Context(), root, AdministratorChange{Name: "olga", Role: RoleOperator})
	if err != nil || !created || stored.HasPassword() || stored.CreatedAt.IsZero() {
		t.Fatalf("stored %+v, created %t, error %v", stored, created, err)
	}
	if err := s.SetPassword(t.Context(), "olga", password); err != nil {
		t.Fatal(err)
	}
	session := s.enter(t, "olga", password)
	if err := put(t, s, "olga", RoleViewer, false); err != nil {
		t.Fatal(err)
	}
	wantCurrent(t, s, session, RoleViewer)

	if err := put(t, s, "olga", RoleViewer, true); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, s, session)
	wantKind(t, s.login(t, "olga", password, home), domain.Unauthenticated)
	if err := put(t, s, "olga", RoleViewer, false); err != nil {
		t.Fatal(err)
	}
	if err := s.login(t, "olga", password, home); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	if err := s.DeleteAdministrator(t.Context(), root, "olga", nil); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.login(t, "olga", password, home), domain.Unauthenticated)
	wantKind(t, s.DeleteAdministrator(t.Context(), root, "olga", nil), domain.NotFound)
}

func TestTheLastAdministratorStays(t *testing.T) {
	s, _, _, _ := newTestService(t)
	wantKind(t, put(t, s, "admin", RoleOperator, false), domain.Conflict)
	wantKind(t, put(t, s, "admin", RoleAdmin, true), domain.Conflict)
	wantKind(t, s.DeleteAdministrator(t.Context(), root, "admin", nil), domain.Conflict)

	if err := put(t, s, "ada", RoleAdmin, false); err != nil {
		t.Fatal(err)
	}
	wantKind(t, put(t, s, "admin", RoleAdmin, true), domain.Conflict) // ada has no password yet
	if err := s.SetPassword(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, "admin", RoleAdmin, true); err != nil {
		t.Errorf("ada can get in: %v", err)
	}
	wantKind(t, s.DeleteAdministrator(t.Context(), root, "ada", nil), domain.Conflict) // admin is disabled
}

func TestWhoMayChangeAdministrators(t *testing.T) {
	s, _, _, _ := newTestService(t)
	for _, by := range []Principal{{}, {Role: RoleOperator}, {Role: RoleCertificateManager}, {Role: RoleAdmin, Scopes: 1}} {
		_, _, err := s.PutAdministrator(t.Context(), by, AdministratorChange{Name: "eve", Role: RoleViewer})
		wantKind(t, err, domain.Forbidden)
		wantKind(t, s.DeleteAdministrator(t.Context(), by, "admin", nil), domain.Forbidden)
	}
	for _, bad := range []AdministratorChange{{Name: "", Role: RoleViewer}, {Name: "a:b", Role: RoleViewer}, {Name: "eve", Role: "emperor"}} {
		_, _, err := s.PutAdministrator(t.Context(), root, bad)
		wantKind(t, err, domain.Invalid)
	}
}

func TestACheckRefusesTheChange(t *testing.T) {
	s, store, _, _ := newTestService(t)
	no := func(Administrator, bool) error { return domain.E(domain.Stale, "changed") }
	_, _, err := s.PutAdministrator(t.Context(), root, AdministratorChange{Name: "eve", Role: RoleViewer, Check: no})
	wantKind(t, err, domain.Stale)
	wantKind(t, s.DeleteAdministrator(t.Context(), root, "admin", no), domain.Stale)
	if len(store.administrators) != 1 {
		t.Errorf("administrators %v", store.administrators)
	}
}

// A token that ends, or is held to networks, could else make an administrator who
// is not, and so outlive itself.
func TestALimitedTokenCannotOutliveItself(t *testing.T) {
	s, _, _, _ := newTestService(t)
	soon := s.now().Add(time.Hour)
	for name, want := range map[string]TokenSpec{
		"time":      {ExpiresAt: &soon},
		"addresses": {Addresses: []netip.Prefix{netip.PrefixFrom(home, home.BitLen())}},
	} {
		want.Name, want.Role = name, RoleAdmin
		secret, _, err := s.CreateToken(t.Context(), root, want)
		if err != nil {
			t.Fatal(err)
		}
		by, err := s.Authenticate(t.Context(), Credential{Password: secret}, home)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.PutAdministrator(t.Context(), by, AdministratorChange{Name: "eve", Role: RoleAdmin})
		wantKind(t, err, domain.Forbidden)
		wantKind(t, s.ChangePassword(t.Context(), by, "admin", password), domain.Forbidden)
		wantKind(t, s.DeleteAdministrator(t.Context(), by, "admin", nil), domain.Forbidden)
		if by, err = s.Current(t.Context(), by); err != nil || !by.Limited {
			t.Errorf("%s: later %+v, error %v", name, by, err)
		}
	}
}
