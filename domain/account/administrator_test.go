package account

import (
	"fmt"
	"testing"

	"postern/domain"
)

func TestListAdministrators(t *testing.T) {
	s, store, _, _ := newTestService(t)
	for _, name := range []string{"olga", "ada"} {
		store.administrators[name] = Administrator{Name: name, Role: RoleOperator}
	}
	all, err := s.ListAdministrators(t.Context(), "", 0)
	if err != nil || len(all) != 3 || all[0].Name != "ada" || all[0].HasPassword() || !all[1].HasPassword() {
		t.Fatalf("administrators %v, error %v", all, err)
	}
	page, err := s.ListAdministrators(t.Context(), "ada", 1)
	if err != nil || len(page) != 1 || page[0].Name != "admin" {
		t.Errorf("second page %v, error %v", page, err)
	}
	one, err := s.Administrator(t.Context(), "olga")
	if err != nil || one.Role != RoleOperator {
		t.Errorf("administrator %v, error %v", one, err)
	}
	_, err = s.Administrator(t.Context(), "nobody")
	wantKind(t, err, domain.NotFound)
}

func TestPageSize(t *testing.T) {
	for asked, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1001: 1001, 1002: 1001} {
		if got := pageSize(asked); got != want {
			t.Errorf("%d: %d, want %d", asked, got, want)
		}
	}
}

func TestWhoMayChangeAPassword(t *testing.T) {
	for _, tc := range []struct {
		by   Principal
		name string
		want domain.Kind // Internal: none
	}{
		{Principal{Name: "admin", Role: RoleAdmin}, "olga", 0},
		{Principal{Name: "token:x", Role: RoleAdmin, Token: "1"}, "olga", 0},
		{Principal{Name: "olga", Role: RoleOperator}, "olga", 0},
		{Principal{Name: "admin", Role: RoleAdmin}, "nobody", domain.NotFound},
		{Principal{Name: "olga", Role: RoleOperator}, "admin", domain.Forbidden},
		{Principal{Name: "olga", Role: RoleCertificateManager}, "nobody", domain.Forbidden},
		{Principal{Name: "olga", Role: RoleOperator}, "Olga", domain.Forbidden},
		{Principal{Name: "olga", Role: RoleOperator, Token: "1"}, "olga", domain.Forbidden},
		{Principal{}, "olga", domain.Forbidden},
	} {
		t.Run(fmt.Sprintf("%s %s of %s", tc.by.Role, tc.by.Name, tc.name), func(t *testing.T) {
			s, store, _, _ := newTestService(t)
			store.administrators["olga"] = Administrator{Name: "olga", Role: RoleOperator}
			const other = "another long password"
			err := s.ChangePassword(t.Context(), tc.by, tc.name, other)
			if tc.want != 0 {
				wantKind(t, err, tc.want)
				wantKind(t, s.login(t, tc.name, other, home), domain.Unauthenticated)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.login(t, tc.name, other, home); err != nil {
				t.Error(err)
			}
		})
	}
}
