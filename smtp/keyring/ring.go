// Package keyring holds the certificates that handshakes use, ready to sign.
//
// The certificates and their keys live in the store, sealed. The [Ring] keeps
// those in use open in one immutable table behind one atomic pointer: the
// active certificate, those that a running generation is bound to, and an index
// of their names. Every handshake reads the pointer anew, so an activation
// takes effect with the next handshake and touches no session that is open
// (B41).
//
// What a client is shown, in this order: the certificate that the endpoint is
// bound to, or else the active one, if it covers the name that the client asked
// for (SNI, RFC 6066 §3); another certificate in use that covers the name; and
// for a name that none covers, the first again. A handshake is never refused
// because of the name: mail servers ask for whatever the MX record said, and
// most of them do not compare. A certificate that nobody activated or bound is
// never shown.
//
// An expired certificate stays in use until another is activated. Opportunistic
// senders still get encryption from it, and to offer nothing would put their
// mail in clear; those that verify refuse it either way.
package keyring

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/event"
)

// How long the ring waits for a wake before it looks at the store by itself:
// after success, and after a failure.
const (
	reconcileEvery = 30 * time.Second
	retryEvery     = 5 * time.Second
)

// KeyReader opens certificates with their keys. What is missing is
// [domain.NotFound].
type KeyReader interface {
	ActiveKeyPair(ctx context.Context) (certificate.KeyPair, error)
	KeyPair(ctx context.Context, id string) (certificate.KeyPair, error)
}

// Config is what a [Ring] is built on. All fields are required.
type Config struct {
	Keys KeyReader
	Bus  *event.Bus
	// Applied learns the number of the activation that handshakes now use.
	Applied func(activation int64)
	Log     *slog.Logger
	Now     func() time.Time
}

// Ring gives handshakes their certificate. It is safe for concurrent use.
type Ring struct {
	keys    KeyReader
	bus     *event.Bus
	applied func(int64)
	log     *slog.Logger
	now     func() time.Time

	table atomic.Pointer[table]

	mu   sync.Mutex     // one builder of tables at a time
	held map[string]int // holders by certificate id
}

// New returns a ring that knows no certificate until [Ring.Load] or
// [Ring.Run].
func New(c Config) *Ring {
	r := &Ring{
		keys:    c.Keys,
		bus:     c.Bus,
		applied: c.Applied,
		log:     c.Log,
		now:     c.Now,
		held:    make(map[string]int),
	}
	r.table.Store(newTable(nil, nil, c.Now()))
	return r
}

// Run keeps the ring in step with the store until the context ends. Between
// wakes it looks at the store now and then: a wake may be missed, and time
// passes certificates by.
func (r *Ring) Run(ctx context.Context) {
	wakes := r.bus.Subscribe(event.CertificateActivated, event.CertificatesChanged)
	defer wakes.Close()
	for {
		pause := reconcileEvery
		if err := r.Load(ctx); err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "certificates not loaded, the earlier ones stay in use", "error", err)
			pause = retryEvery
		}
		select {
		case <-wakes.C():
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// Load reads the active and the held certificates and puts them into use. On
// an error everything stays as it was.
func (r *Ring) Load(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.build(ctx)
	if err != nil {
		return err
	}
	r.use(ctx, t)
	return nil
}

// Hold loads the certificates with the ids, for endpoints that are bound to
// them, and keeps them loaded until release is called. A certificate that
// cannot be opened is an error and nothing is held. Release may be called more
// than once.
func (r *Ring) Hold(ctx context.Context, ids ...string) (release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(ids, 1)
	t, err := r.build(ctx)
	if err == nil {
		err = t.requireAll(ids)
	}
	if err != nil {
		r.count(ids, -1)
		return nil, domain.Wrap(err, "load bound certificates")
	}
	r.use(ctx, t)
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.count(ids, -1) // the next table leaves out what nobody holds
	}), nil
}

// Usable reports whether a handshake of an endpoint with this binding (empty:
// none) would find a certificate. Where not, STARTTLS is answered 454 (B16).
func (r *Ring) Usable(binding string) bool {
	return r.table.Load().standard(binding) != nil
}

// Active returns the active certificate that handshakes now use; false when
// there is none.
func (r *Ring) Active() (certificate.Certificate, bool) {
	if e := r.table.Load().active; e != nil {
		return e.certificate, true
	}
	return certificate.Certificate{}, false
}

// Choice returns the certificate that a handshake of an endpoint with this binding
// would show to a client that asks for the name; false when there is none.
func (r *Ring) Choice(binding, serverName string) (certificate.Certificate, bool) {
	e := r.table.Load().choose(binding, strings.ToLower(serverName))
	if e == nil {
		return certificate.Certificate{}, false
	}
	return e.certificate, true
}

// count adds n to the holders of each id. The caller holds mu.
func (r *Ring) count(ids []string, n int) {
	for _, id := range ids {
		r.held[id] += n
		if r.held[id] == 0 {
			delete(r.held, id)
		}
	}
}

// build reads a new table from the store. The caller holds mu.
func (r *Ring) build(ctx context.Context) (*table, error) {
	active, err := r.openActive(ctx)
	if err != nil {
		return nil, domain.Wrap(err, "load the active certificate")
	}
	var bound []*entry
	for _, id := range slices.Sorted(maps.Keys(r.held)) {
		if e := r.openBound(ctx, id); e != nil {
			bound = append(bound, e)
		}
	}
	return newTable(active, bound, r.now()), nil
}

// openActive returns nil without an error where no certificate is active.
func (r *Ring) openActive(ctx context.Context) (*entry, error) {
	pair, err := r.keys.ActiveKeyPair(ctx)
	if domain.KindOf(err) == domain.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return newEntry(pair)
}

// openBound returns what is known under the id: the stored form, or the one
// loaded earlier when the store fails. One broken binding must not hold up an
// activation.
func (r *Ring) openBound(ctx context.Context, id string) *entry {
	pair, err := r.keys.KeyPair(ctx, id)
	if err == nil {
		var e *entry
		if e, err = newEntry(pair); err == nil {
			return e
		}
	}
	if domain.KindOf(err) == domain.NotFound {
		return nil
	}
	r.log.ErrorContext(ctx, "bound certificate not loaded", "certificate", id, "error", err)
	return r.table.Load().bound[id]
}

// use swaps the table in and tells. The caller holds mu.
func (r *Ring) use(ctx context.Context, t *table) {
	before := r.table.Swap(t)
	if t.active == nil {
		return
	}
	c := t.active.certificate
	if before.active == nil || before.active.certificate.Activation != c.Activation {
		r.log.InfoContext(ctx, "certificate in use", "certificate", c.ID, "activation", c.Activation,
			"fingerprint", c.Fingerprint, "not_after", c.NotAfter)
	}
	r.applied(c.Activation)
}
