package certificate

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"postern/domain"
)

// memory is a store of certificates for tests.
type memory struct {
	mu          sync.Mutex
	pairs       map[string]KeyPair
	activations int64
	bindings    map[string][]string
	published   []Publication
	exports     []string // who, and which certificate
	failure     error    // returned by every call, if set
}

var (
	_ Store     = (*memory)(nil)
	_ Editor    = (*memory)(nil)
	_ KeyReader = (*memory)(nil)
	_ Bindings  = (*memory)(nil)
)

func newMemory() *memory {
	return &memory{pairs: map[string]KeyPair{}, bindings: map[string][]string{}}
}

func (m *memory) Insert(_ context.Context, c Certificate, key PrivateKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	m.pairs[c.ID] = KeyPair{c, key}
	return nil
}

func (m *memory) KeyPair(_ context.Context, id string) (KeyPair, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(id)
}

func (m *memory) ActiveKeyPair(_ context.Context) (KeyPair, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pair := range m.pairs {
		if pair.Certificate.State == Active {
			return pair, m.failure
		}
	}
	return KeyPair{}, domain.E(domain.NotFound, "no certificate is active")
}

func (m *memory) get(id string) (KeyPair, error) {
	if m.failure != nil {
		return KeyPair{}, m.failure
	}
	pair, ok := m.pairs[id]
	if !ok {
		return KeyPair{}, domain.E(domain.NotFound, "there is no certificate %s", id)
	}
	return pair, nil
}

func (m *memory) Get(ctx context.Context, id string) (Certificate, error) {
	pair, err := m.KeyPair(ctx, id)
	return pair.Certificate, err
}

func (m *memory) List(_ context.Context, q Query) ([]Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Certificate
	for id, pair := range m.pairs {
		if id > q.After && (q.State == "" || q.State == pair.Certificate.State) && (!q.Staged || pair.Certificate.Staged != nil) {
			list = append(list, pair.Certificate)
		}
	}
	slices.SortFunc(list, func(a, b Certificate) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(len(list), q.Limit)], m.failure
}

func (m *memory) Activate(_ context.Context, id string, act Act) (Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pair, err := m.get(id)
	if err != nil {
		return Certificate{}, err
	}
	for other, p := range m.pairs {
		p.Certificate.State = Inactive
		m.pairs[other] = p
	}
	m.activations++
	c := &pair.Certificate
	c.State, c.Activation, c.ActivatedAt, c.ActivatedBy, c.Staged = Active, m.activations, act.At, act.Author, nil
	m.pairs[id] = pair
	return *c, nil
}

func (m *memory) Delete(_ context.Context, id string, _ Act) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.get(id); err != nil {
		return err
	}
	delete(m.pairs, id)
	return nil
}

func (m *memory) Bindings(_ context.Context, id string) ([]string, error) {
	return m.bindings[id], nil
}

func (m *memory) Complete(_ context.Context, c Certificate, _ Act) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	pair, err := m.get(c.ID)
	if err != nil {
		return err
	}
	m.pairs[c.ID] = KeyPair{c, pair.Key}
	return nil
}

func (m *memory) Stage(_ context.Context, id string, s *Staged, _ Act) (Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pair, err := m.get(id)
	if err != nil {
		return Certificate{}, err
	}
	pair.Certificate.Staged = s
	m.pairs[id] = pair
	return pair.Certificate, nil
}

func (m *memory) Previous(context.Context) (Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found Certificate
	for _, pair := range m.pairs {
		if c := pair.Certificate; c.State != Active && c.Activation > found.Activation {
			found = c
		}
	}
	if found.ID == "" {
		return found, domain.E(domain.NotFound, "no certificate was active before")
	}
	return found, m.failure
}

func (m *memory) Publications(context.Context) ([]Publication, error) { return m.published, nil }

func (m *memory) RecordExport(_ context.Context, c Certificate, act Act) error {
	m.exports = append(m.exports, act.Author+" "+c.ID)
	return m.failure
}
