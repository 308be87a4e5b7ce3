package persistence

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/account"
)

func testToken(id, name string) account.Token {
	return account.Token{
		ID: id, Name: name, Role: account.RoleViewer, Hash: []byte("hash of " + name),
		CreatedBy: "ada", CreatedAt: testTime, ExpiresAt: new(testTime.Add(time.Hour)),
	}
}

func TestCreateFirstHappensOnce(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	admin := account.Administrator{Name: "admin", Role: account.RoleAdmin, CreatedAt: testTime}
	for i, want := range []bool{true, false} {
		created, err := s.CreateFirst(t.Context(), admin, testToken(fmt.Sprint(i), fmt.Sprint("first ", i)))
		if err != nil || created != want {
			t.Errorf("call %d created %v, error %v", i, created, err)
		}
	}
	got, err := s.Administrator(t.Context(), "admin")
	if diff := cmp.Diff(admin, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	tokens, err := s.Tokens(t.Context(), "", 10)
	if diff := cmp.Diff([]account.Token{testToken("0", "first 0")}, tokens, equalAddresses()); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestCreateFirstIsAllOrNothing(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	if err := s.InsertToken(t.Context(), testToken("1", "taken")); err != nil {
		t.Fatal(err)
	}
	created, err := s.CreateFirst(t.Context(), account.Administrator{Name: "admin", Role: account.RoleAdmin}, testToken("2", "taken"))
	if created || domain.KindOf(err) != domain.Conflict {
		t.Errorf("created %v, error %v", created, err)
	}
	if _, err := s.Administrator(t.Context(), "admin"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("the administrator is there: %v", err)
	}
}

func TestSetPasswordHash(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	if err := s.SetPasswordHash(t.Context(), "admin", "hash", time.Now()); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error %v", err)
	}
	admin := account.Administrator{Name: "admin", Role: account.RoleAdmin, CreatedAt: testTime}
	if _, err := s.CreateFirst(t.Context(), admin, testToken("1", "first")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPasswordHash(t.Context(), "admin", "hash", time.Now()); err != nil {
		t.Fatal(err)
	}
	admin.PasswordHash = "hash"
	got, err := s.Administrator(t.Context(), "admin")
	if diff := cmp.Diff(admin, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestAdministrators(t *testing.T) {
	d := openTest(t, t.TempDir())
	s := d.Accounts()
	none, err := s.Administrators(t.Context(), "", 10)
	if len(none) != 0 || err != nil {
		t.Errorf("%v, error %v", none, err)
	}
	for _, name := range []string{"olga", "ada", "Zoe"} {
		row := administratorRow{name, string(account.RoleViewer), "hash", micros(testTime), false}
		if err := d.configuration.write(t.Context(), func(tx *gorm.DB) error { return tx.Create(&row).Error }); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name string) account.Administrator {
		return account.Administrator{Name: name, Role: account.RoleViewer, PasswordHash: "hash", CreatedAt: testTime}
	}
	all, err := s.Administrators(t.Context(), "", 10)
	if diff := cmp.Diff([]account.Administrator{want("Zoe"), want("ada"), want("olga")}, all); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	page, err := s.Administrators(t.Context(), "Zoe", 1)
	if diff := cmp.Diff([]account.Administrator{want("ada")}, page); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestTokens(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	endless := testToken("3", "endless")
	endless.ExpiresAt = nil
	for _, tok := range []account.Token{endless, testToken("1", "a"), testToken("2", "b")} {
		if err := s.InsertToken(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.TokenByHash(t.Context(), []byte("hash of endless"))
	if diff := cmp.Diff(endless, got, equalAddresses()); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	got, err = s.Token(t.Context(), "3")
	if diff := cmp.Diff(endless, got, equalAddresses()); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	page, err := s.Tokens(t.Context(), "1", 1)
	if diff := cmp.Diff([]account.Token{testToken("2", "b")}, page, equalAddresses()); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if err := s.DeleteToken(t.Context(), "2", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteToken(t.Context(), "2", time.Now()); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error %v", err)
	}
	if _, err := s.Token(t.Context(), "2"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error %v", err)
	}
	if _, err := s.TokenByHash(t.Context(), []byte("hash of b")); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error %v", err)
	}
}

func TestTokensAreUnique(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	if err := s.InsertToken(t.Context(), testToken("1", "a")); err != nil {
		t.Fatal(err)
	}
	sameHash := testToken("2", "b")
	sameHash.Hash = testToken("1", "a").Hash
	for name, tok := range map[string]account.Token{"id": testToken("1", "b"), "name": testToken("2", "a"), "hash": sameHash} {
		if err := s.InsertToken(t.Context(), tok); domain.KindOf(err) != domain.Conflict {
			t.Errorf("same %s: error %v", name, err)
		}
	}
}

// The service of the domain on the store of the database, across a restart.
func TestAccountServiceOnTheStore(t *testing.T) {
	const password = "correct horse battery staple"
	dir := t.TempDir()
	d := openTest(t, dir)
	newService := func(s *AccountStore) *account.Service {
		return account.NewService(account.Dependencies{
			Administrators: s, Tokens: s, Roster: s, TokenUses: s, Now: time.Now, NewID: func() string { return "1" },
		})
	}
	first := newService(d.Accounts())
	secret, created, err := first.EnsureAdministrator(t.Context())
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if err := first.SetPassword(t.Context(), "admin", password); err != nil {
		t.Fatal(err)
	}
	closeTest(t, d)
	second := newService(openTest(t, dir).Accounts())
	if _, created, err := second.EnsureAdministrator(t.Context()); created || err != nil {
		t.Errorf("created again: %v, error %v", created, err)
	}
	for _, c := range []account.Credential{{Password: secret}, {User: "admin", Password: password}} {
		p, err := second.Authenticate(t.Context(), c, netip.MustParseAddr("127.0.0.1"))
		if err != nil || p.Role != account.RoleAdmin {
			t.Errorf("%s: principal %+v, error %v", c, p, err)
		}
		if now, err := second.Current(t.Context(), p); err != nil || now != p {
			t.Errorf("%s: now %+v, error %v", c, now, err)
		}
	}
}
