package persistence

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/domain"
	"postern/domain/account"
)

// equalAddresses compares addresses by ==.
func equalAddresses() cmp.Option { return cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}) }

func TestTokensKeepScopesAddressesAndUse(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	scopes, err := account.ParseScopes([]string{"read", "queue"})
	if err != nil {
		t.Fatal(err)
	}
	token := testToken("1", "held")
	token.Scopes = scopes
	token.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/48")}
	if err := s.InsertToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	use := account.TokenUse{ID: "1", At: testTime.Add(time.Minute), From: netip.MustParseAddr("2001:db8::7")}
	if err := s.NoteUses(t.Context(), []account.TokenUse{use, {ID: "gone", At: testTime}}); err != nil {
		t.Fatal(err)
	}
	token.LastUsedAt, token.LastUsedFrom = &use.At, use.From
	got, err := s.Token(t.Context(), "1")
	if diff := cmp.Diff(token, got, equalAddresses()); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// A token whose limits cannot be read grants nothing, rather than everything.
func TestTokenWithUnreadableLimitsIsRefused(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	for i, statement := range []string{`UPDATE tokens SET scopes = 'later'`, `UPDATE tokens SET scopes = '', addresses = 'near'`} {
		token := testToken(string(rune('a'+i)), string(rune('a'+i)))
		if err := s.InsertToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if err := s.file.writer.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
		if _, err := s.TokenByHash(t.Context(), token.Hash); err == nil || domain.KindOf(err) != domain.Internal {
			t.Errorf("%s: error %v", statement, err)
		}
	}
}

func TestChangeAdministratorCountsTheOthers(t *testing.T) {
	s := openTest(t, t.TempDir()).Accounts()
	change := func(name string, next *account.Administrator) (seen account.Administrator, exists bool, others int64) {
		t.Helper()
		err := s.ChangeAdministrator(t.Context(), name, time.Now(), func(now account.Administrator, is bool, n int64) (*account.Administrator, error) {
			seen, exists, others = now, is, n
			return next, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return seen, exists, others
	}
	for _, a := range []account.Administrator{
		{Name: "ada", Role: account.RoleAdmin, PasswordHash: "h"},
		{Name: "blind", Role: account.RoleAdmin},
		{Name: "disabled", Role: account.RoleAdmin, PasswordHash: "h", Disabled: true},
		{Name: "olga", Role: account.RoleOperator, PasswordHash: "h"},
	} {
		a.CreatedAt = testTime
		if _, exists, _ := change(a.Name, &a); exists {
			t.Errorf("%s existed", a.Name)
		}
	}
	if seen, exists, others := change("olga", nil); !exists || others != 1 || seen.Role != account.RoleOperator {
		t.Errorf("olga was %+v, others %d", seen, others)
	}
	if _, exists, others := change("ada", nil); !exists || others != 0 {
		t.Errorf("ada: %t, others %d", exists, others)
	}
	if _, err := s.Administrator(t.Context(), "ada"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("ada is there: %v", err)
	}
	no := domain.E(domain.Stale, "no")
	if err := s.ChangeAdministrator(t.Context(), "disabled", time.Now(), func(account.Administrator, bool, int64) (*account.Administrator, error) { return nil, no }); domain.KindOf(err) != domain.Stale {
		t.Errorf("error %v", err)
	}
	if a, err := s.Administrator(t.Context(), "disabled"); err != nil || !a.Disabled {
		t.Errorf("after a refusal: %+v, %v", a, err)
	}
}
