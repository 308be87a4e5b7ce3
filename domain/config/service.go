package config

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"postern/domain"
	"postern/domain/event"
	"postern/domain/policy"
)

// Store keeps items and revisions. Implementations return [domain.Error]s.
type Store interface {
	// Load calls yield for every item there is and returns the newest revision,
	// all as of one moment. Revision 0 is an empty store.
	Load(ctx context.Context, yield func(Item) error) (int64, error)
	// Current returns those of the named items that exist.
	Current(ctx context.Context, refs []Ref) (map[Ref]Item, error)
	// Commit writes the revision with its edits, and the items (deleting those
	// without a document), in one transaction. It fails with domain.Stale if
	// the newest revision is not base. The draft that the revision comes from
	// becomes a committed one, the revision that it reverts a reverted one; it
	// fails with domain.Conflict where the one is not open or the other not
	// pending.
	Commit(ctx context.Context, base int64, r Revision, items []Item) error
	// Items returns up to limit items of a kind with keys after the given one,
	// in order of their keys.
	Items(ctx context.Context, k Kind, after string, limit int) ([]Item, error)
}

// History reads committed revisions, and notes that one was confirmed.
type History interface {
	// Revision returns one revision with its edits.
	Revision(ctx context.Context, number int64) (Revision, error)
	// Revisions returns the selected revisions without edits, newest first unless
	// the query says otherwise.
	Revisions(ctx context.Context, q RevisionQuery) ([]Revision, error)
	// StateAt returns, for every item changed after the revision, the first
	// edit after it: whose Before is the item as it stood at that revision.
	StateAt(ctx context.Context, number int64) ([]RecordedEdit, error)
	// LastEdits returns, for each of the items that was ever edited, the newest
	// revision that did, without its edits.
	LastEdits(ctx context.Context, refs []Ref) (map[Ref]Revision, error)
	// Confirm notes who confirmed a revision; Conflict if it is not pending.
	Confirm(ctx context.Context, number int64, by string, at time.Time) error
}

// Certificates answers what configuration needs to know of certificates.
type Certificates interface {
	// CheckUsable returns nil if the certificate can serve now, with a warning
	// where it can but should not (B52); id "" means the active one.
	CheckUsable(ctx context.Context, id string) (warning string, err error)
}

// Sockets answers whether a listener could listen.
type Sockets interface {
	// CheckBindable returns nil if the address of the listener can be opened
	// now, and an Invalid error with faults of the listener where it cannot.
	CheckBindable(ctx context.Context, l policy.Listener) error
}

// Dependencies are what a service works on.
type Dependencies struct {
	Store        Store
	History      History
	Certificates Certificates
	Sockets      Sockets
	MailHosts    MailHosts // nil: nobody looks
	Bus          *event.Bus
	Now          func() time.Time
}

// Service is the one way in which configuration changes.
type Service struct {
	store   Store
	history History
	certs   Certificates
	sockets Sockets
	hosts   MailHosts
	bus     *event.Bus
	now     func() time.Time

	writing  sync.Mutex // held while a change is made
	snapshot atomic.Pointer[Snapshot]
	pending  atomic.Pointer[Pending] // nil: no revision waits to be confirmed
	progress progress
}

// NewService loads the newest configuration and returns the service on it. A
// revision that was committed but not published before a crash is simply the
// newest one.
func NewService(ctx context.Context, d Dependencies) (*Service, error) {
	s := &Service{
		store: d.Store, history: d.History, certs: d.Certificates, sockets: d.Sockets, hosts: d.MailHosts, bus: d.Bus, now: d.Now,
	}
	if err := s.reload(ctx); err != nil {
		return nil, domain.Wrap(err, "load the configuration")
	}
	return s, nil
}

// Snapshot returns the newest committed configuration.
func (s *Service) Snapshot() *Snapshot { return s.snapshot.Load() }

// Commit makes the change one revision, or returns every reason why not: an
// Invalid error with all faults, Stale where a precondition failed, NotFound
// for the deletion of nothing, Conflict for that of something in use.
func (s *Service) Commit(ctx context.Context, c Change) (Result, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.commit(ctx, c)
}

// commit is Commit for those who hold the lock of writers.
func (s *Service) commit(ctx context.Context, c Change) (Result, error) {
	if err := s.checkConfirm(c); err != nil {
		return Result{}, err
	}
	base := s.Snapshot()
	work, err := s.examine(ctx, &c)
	if err != nil || len(work.recorded) == 0 && c.reverts == 0 {
		return work.result, err
	}
	if err := s.finish(ctx, base, c, work); err != nil {
		return Result{}, err
	}
	work.result.Revision = work.next.Revision
	return work.result, nil
}

// work is a change that passed every check and is ready to be written.
type work struct {
	next     *Snapshot
	recorded []RecordedEdit
	stored   []Item
	result   Result
}

// prepare validates the change as a whole and compiles it: a configuration that
// cannot be used never commits. Where a value is at fault by itself, the whole is
// judged without it, so that all faults are reported at once.
func (s *Service) prepare(ctx context.Context, base *Snapshot, c Change, current map[Ref]Item) (work, error) {
	values := validateEdits(c.Edits)
	builder := base.succeed()
	w := work{result: Result{Revision: base.Revision}}
	for i, e := range c.Edits {
		if len(values[i]) > 0 {
			continue
		}
		item, err := s.write(builder, &w, e, current[e.Ref()], base.Revision+1)
		if err != nil {
			return work{}, err
		}
		w.result.Items = append(w.result.Items, item)
	}
	w.next = builder.done(base.Revision + 1)
	warnings, err := s.validateWhole(ctx, base, w.next, c, values)
	if err != nil {
		return work{}, err
	}
	w.result.Warnings = warnings
	return w, nil
}

// write compiles one edit and records it, unless it changes nothing.
func (s *Service) write(b *builder, w *work, e Edit, before Item, revision int64) (Item, error) {
	item := Item{Kind: e.Kind, Key: e.Key, Revision: revision}
	if e.Value != nil {
		document, err := json.Marshal(e.Value)
		if err != nil {
			return Item{}, fmt.Errorf("write %s %q as a document: %w", e.Kind, e.Key, err)
		}
		item.Document, item.ETag = document, ETagOf(document)
		if bytes.Equal(document, before.Document) {
			return before, nil
		}
	}
	w.recorded = append(w.recorded, RecordedEdit{Kind: e.Kind, Key: e.Key, Before: before.Document, After: item.Document})
	w.stored = append(w.stored, item)
	return item, b.put(e.Kind, e.Key, e.Value)
}

// finish writes the prepared change, publishes its snapshot and wakes those who
// follow. After a failed write the store is asked for the truth: whether a
// transaction that returned an error took effect is not known.
func (s *Service) finish(ctx context.Context, base *Snapshot, c Change, w work) error {
	now := s.now().UTC()
	revision := Revision{
		Number: w.next.Revision, Author: c.Author, Comment: c.Comment, At: now, Edits: w.recorded,
		Draft: c.draft, Confirmation: c.confirmation(now), Reverts: c.reverts,
	}
	if err := s.store.Commit(ctx, base.Revision, revision, w.stored); err != nil {
		reloadErr := s.reload(context.WithoutCancel(ctx))
		return domain.Wrap(joinErr(err, reloadErr), "commit revision %d", revision.Number)
	}
	s.notePending(revision)
	s.publish(w.next)
	return nil
}

func joinErr(err, second error) error {
	if second == nil {
		return err
	}
	return fmt.Errorf("%w (and then: %w)", err, second)
}

func (s *Service) publish(next *Snapshot) {
	s.snapshot.Store(next)
	s.bus.Publish(event.ConfigurationChanged)
}

// decode reads a stored document; a nil document is a nil value.
func decode(k Kind, key string, document json.RawMessage) (Value, error) {
	if document == nil {
		return nil, nil
	}
	handling, ok := kindOf(k, key)
	if !ok {
		return nil, domain.E(domain.Internal, "the store holds a %s %q, which this version does not know", k, key)
	}
	v, err := handling.decode(document)
	return v, domain.Wrap(err, "%s %q", k, key)
}

// Get returns one item, in stored and in typed form.
func (s *Service) Get(ctx context.Context, k Kind, key string) (Item, Value, error) {
	found, err := s.store.Current(ctx, []Ref{{k, key}})
	if err != nil {
		return Item{}, nil, domain.Wrap(err, "read %s %q", k, key)
	}
	item, ok := found[Ref{k, key}]
	if !ok {
		return Item{}, nil, domain.E(domain.NotFound, "there is no %s %q", words(k), key)
	}
	v, err := decode(k, key, item.Document)
	return item, v, err
}

// List returns up to limit items of a kind with keys after the given one.
func (s *Service) List(ctx context.Context, k Kind, after string, limit int) ([]Item, error) {
	items, err := s.store.Items(ctx, k, after, limit)
	return items, domain.Wrap(err, "list %s", words(k))
}

// Decode returns the typed form of a stored item.
func Decode(item Item) (Value, error) { return decode(item.Kind, item.Key, item.Document) }

func refsOf(edits []Edit) []Ref {
	refs := make([]Ref, len(edits))
	for i, e := range edits {
		refs[i] = e.Ref()
	}
	return refs
}

// Bindings names what the committed configuration binds to a certificate, so
// that it cannot be deleted (B46).
func (s *Service) Bindings(_ context.Context, certificateID string) ([]string, error) {
	return s.Snapshot().BoundTo(certificateID), nil
}
