package account

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"postern/domain"
)

// memory is a store for tests.
type memory struct {
	mu             sync.Mutex
	administrators map[string]Administrator
	tokens         map[string]Token
}

var (
	_ AdministratorStore = (*memory)(nil)
	_ TokenStore         = (*memory)(nil)
)

func (m *memory) Administrator(_ context.Context, name string) (Administrator, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.administrators[name]
	if !ok {
		return Administrator{}, domain.E(domain.NotFound, "there is no administrator %q", name)
	}
	return a, nil
}

func (m *memory) SetPasswordHash(_ context.Context, name, hash string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.administrators[name]
	if !ok {
		return domain.E(domain.NotFound, "there is no administrator %q", name)
	}
	a.PasswordHash = hash
	m.administrators[name] = a
	return nil
}

func (m *memory) Administrators(_ context.Context, after string, limit int) ([]Administrator, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Administrator
	for name, a := range m.administrators {
		if name > after {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Administrator) int { return cmp.Compare(a.Name, b.Name) })
	return list[:min(limit, len(list))], nil
}

func (m *memory) CreateFirst(_ context.Context, a Administrator, t Token) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.administrators) > 0 {
		return false, nil
	}
	m.administrators[a.Name], m.tokens[t.ID] = a, t
	return true, nil
}

func (m *memory) TokenByHash(_ context.Context, hash []byte) (Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tokens {
		if bytes.Equal(t.Hash, hash) {
			return t, nil
		}
	}
	return Token{}, domain.E(domain.NotFound, "there is no such token")
}

func (m *memory) Token(_ context.Context, id string) (Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tokens[id]
	if !ok {
		return Token{}, domain.E(domain.NotFound, "there is no token %q", id)
	}
	return t, nil
}

func (m *memory) InsertToken(_ context.Context, t Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.tokens {
		if other.Name == t.Name {
			return domain.E(domain.Conflict, "there is a token %q already", t.Name)
		}
	}
	m.tokens[t.ID] = t
	return nil
}

func (m *memory) Tokens(_ context.Context, after string, limit int) ([]Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Token
	for id, t := range m.tokens {
		if id > after {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b Token) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], nil
}

func (m *memory) DeleteToken(_ context.Context, id string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.tokens[id]; !ok {
		return domain.E(domain.NotFound, "there is no token %q", id)
	}
	delete(m.tokens, id)
	return nil
}

func (m *memory) NoteUses(_ context.Context, uses []TokenUse) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range uses {
		if t, ok := m.tokens[u.ID]; ok {
			t.LastUsedAt, t.LastUsedFrom = &u.At, u.From
			m.tokens[u.ID] = t
		}
	}
	return nil
}

func (m *memory) ChangeAdministrator(_ context.Context, name string, _ time.Time, change func(Administrator, bool, int64) (*Administrator, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var others int64
	for _, a := range m.administrators {
		if a.Name != name && a.Role == RoleAdmin && !a.Disabled && a.HasPassword() {
			others++
		}
	}
	now, exists := m.administrators[name]
	next, err := change(now, exists, others)
	switch {
	case err != nil:
		return err
	case next == nil:
		delete(m.administrators, name)
	default:
		m.administrators[name] = *next
	}
	return nil
}
