package keyring

import (
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/certificate"
)

// entry is one certificate, ready to sign.
type entry struct {
	certificate certificate.Certificate
	tls         tls.Certificate
}

// newEntry opens a pair. A key that is not the leaf's is refused here, once,
// and not at every handshake.
func newEntry(pair certificate.KeyPair) (*entry, error) {
	if err := pair.Check(); err != nil {
		return nil, domain.E(domain.Internal, "certificate %s: %s", pair.Certificate.ID, err)
	}
	leaf, err := pair.Certificate.Leaf()
	if err != nil {
		return nil, domain.Wrap(err, "certificate %s", pair.Certificate.ID)
	}
	return &entry{
		certificate: pair.Certificate,
		tls: tls.Certificate{
			Certificate: pair.Certificate.Chain,
			PrivateKey:  pair.Key.Signer(),
			Leaf:        leaf,
		},
	}, nil
}

// covers reports whether the certificate has the name, which is in lower case,
// or a wildcard for it.
func (e *entry) covers(name string) bool {
	return slices.Contains(e.certificate.Names, name) ||
		slices.Contains(e.certificate.Names, wildcard(name))
}

// table is all that handshakes look at. It is never changed.
type table struct {
	active *entry            // nil: none
	bound  map[string]*entry // by certificate id
	names  map[string]*entry // exact names and "*." wildcards
}

// newTable indexes the certificates. Of several that have a name, the active
// one is taken, then the one that lasts longest; those that are not valid at
// now are not found by name.
func newTable(active *entry, bound []*entry, now time.Time) *table {
	t := &table{
		active: active,
		bound:  make(map[string]*entry, len(bound)),
		names:  make(map[string]*entry),
	}
	for _, e := range bound {
		t.bound[e.certificate.ID] = e
	}
	byEnd := slices.SortedStableFunc(slices.Values(bound), func(a, b *entry) int {
		return b.certificate.NotAfter.Compare(a.certificate.NotAfter)
	})
	if active != nil {
		t.index(active, now)
	}
	for _, e := range byEnd {
		t.index(e, now)
	}
	return t
}

// index adds the names that no entry before has.
func (t *table) index(e *entry, now time.Time) {
	if e.certificate.Usable(now) != nil {
		return
	}
	for _, name := range e.certificate.Names {
		if t.names[name] == nil {
			t.names[name] = e
		}
	}
}

// requireAll returns [domain.NotFound] for an id that is not in the table.
func (t *table) requireAll(ids []string) error {
	for _, id := range ids {
		if t.bound[id] == nil {
			return domain.E(domain.NotFound, "certificate %s cannot be loaded", id)
		}
	}
	return nil
}

// standard returns the certificate of an endpoint for clients that ask for no
// name: the bound one, or the active one where there is no binding or the bound
// one is gone; nil when there is none.
func (t *table) standard(binding string) *entry {
	if e := t.bound[binding]; e != nil {
		return e
	}
	return t.active
}

// choose returns the certificate for a client that asked for the name; nil when
// there is none at all. The package comment has the rule.
func (t *table) choose(binding, name string) *entry {
	standard := t.standard(binding)
	if name == "" || standard == nil || standard.covers(name) {
		return standard
	}
	if e := t.names[name]; e != nil {
		return e
	}
	if e := t.names[wildcard(name)]; e != nil {
		return e
	}
	return standard
}

// wildcard returns the only wildcard that matches the name: its first label
// replaced (RFC 6125 §6.4.3).
func wildcard(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return "*." + parent
}
