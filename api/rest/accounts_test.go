package rest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/account"
)

// memoryAccounts keeps accounts in the order of their names and ids.
type memoryAccounts struct {
	mu     sync.Mutex
	made   int
	people []account.Administrator
	tokens []account.Token
}

var (
	_ account.AdministratorStore = (*memoryAccounts)(nil)
	_ account.TokenStore         = (*memoryAccounts)(nil)
)

// newAccounts returns the real service on a store in memory. Each caller that
// the fixture knows is an administrator of the same name, without a password.
func newAccounts() *account.Service {
	store := new(memoryAccounts)
	for _, role := range []account.Role{account.RoleAdmin, account.RoleCertificateManager, account.RoleOperator, account.RoleViewer} {
		store.people = append(store.people, account.Administrator{
			Name: "test-" + string(role), Role: role, CreatedAt: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC),
		})
	}
	return account.NewService(account.Dependencies{Administrators: store, Tokens: store, Roster: store, TokenUses: store, Now: time.Now, NewID: store.newID})
}

func (m *memoryAccounts) newID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	return fmt.Sprintf("token-%03d", m.made)
}

func (m *memoryAccounts) Administrator(_ context.Context, name string) (account.Administrator, error) {
	return firstOf(m, &m.people, "administrator", func(a account.Administrator) bool { return a.Name == name })
}

func (m *memoryAccounts) Administrators(_ context.Context, after string, limit int) ([]account.Administrator, error) {
	return pageAfter(m, &m.people, limit, func(a account.Administrator) bool { return a.Name > after }), nil
}

func (m *memoryAccounts) SetPasswordHash(_ context.Context, name, hash string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.people {
		if m.people[i].Name == name {
			m.people[i].PasswordHash = hash
			return nil
		}
	}
	return domain.E(domain.NotFound, "there is no administrator %q", name)
}

func (m *memoryAccounts) CreateFirst(context.Context, account.Administrator, account.Token) (bool, error) {
	return false, nil // there are some already
}

func (m *memoryAccounts) TokenByHash(_ context.Context, hash []byte) (account.Token, error) {
	return firstOf(m, &m.tokens, "token", func(t account.Token) bool { return bytes.Equal(t.Hash, hash) })
}

func (m *memoryAccounts) Token(_ context.Context, id string) (account.Token, error) {
	return firstOf(m, &m.tokens, "token", func(t account.Token) bool { return t.ID == id })
}

func (m *memoryAccounts) Tokens(_ context.Context, after string, limit int) ([]account.Token, error) {
	return pageAfter(m, &m.tokens, limit, func(t account.Token) bool { return t.ID > after }), nil
}

func (m *memoryAccounts) InsertToken(_ context.Context, t account.Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.tokens {
		if other.Name == t.Name {
			return domain.E(domain.Conflict, "it exists already")
		}
	}
	m.tokens = append(m.tokens, t)
	return nil
}

func (m *memoryAccounts) DeleteToken(_ context.Context, id string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, t := range m.tokens {
		if t.ID == id {
			m.tokens = append(m.tokens[:i:i], m.tokens[i+1:]...)
			return nil
		}
	}
	return domain.E(domain.NotFound, "there is no token %q", id)
}

func (m *memoryAccounts) NoteUses(context.Context, []account.TokenUse) error { return nil }

func (m *memoryAccounts) ChangeAdministrator(_ context.Context, name string, _ time.Time, change func(account.Administrator, bool, int64) (*account.Administrator, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var now account.Administrator
	at, others := -1, int64(0)
	for i, a := range m.people {
		if a.Name == name {
			at, now = i, a
		} else if a.Role == account.RoleAdmin && a.HasPassword() && !a.Disabled {
			others++
		}
	}
	next, err := change(now, at >= 0, others)
	if err != nil {
		return err
	}
	if at >= 0 {
		m.people = append(m.people[:at:at], m.people[at+1:]...)
	}
	if next != nil {
		m.people = append(m.people, *next)
	}
	return nil
}

// pageAfter returns up to limit items that come after another.
func pageAfter[T any](m *memoryAccounts, items *[]T, limit int, after func(T) bool) (page []T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, item := range *items {
		if after(item) && len(page) < limit {
			page = append(page, item)
		}
	}
	return page
}

func firstOf[T any](m *memoryAccounts, items *[]T, what string, wanted func(T) bool) (item T, err error) {
	found := pageAfter(m, items, 1, wanted)
	if len(found) == 0 {
		return item, domain.E(domain.NotFound, "there is no such %s", what)
	}
	return found[0], nil
}

// login returns whose credential it is.
func (f *fixture) login(t *testing.T, user, password string) (account.Principal, error) {
	t.Helper()
	return f.people.Authenticate(t.Context(), account.Credential{User: user, Password: password}, loopback)
}
