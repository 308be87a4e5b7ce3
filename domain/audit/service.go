package audit

import (
	"context"
	"time"

	"postern/domain"
)

// Store keeps the entries, oldest first, and the sealed ends of the chain.
// Implementations are safe for concurrent use and return [domain.Error]s.
type Store interface {
	// Append stores what chain makes of the ends of now, in one transaction
	// that no other comes between, and returns it.
	Append(ctx context.Context, chain func(Ends) (Entry, Ends)) (Entry, error)
	// Entries returns up to q.Limit entries that the query picks, newest first
	// unless it says otherwise.
	Entries(ctx context.Context, q Query) ([]Entry, error)
	// Walk hands out the ends and then all entries, oldest first, as of one
	// moment. Ends that do not open, or are gone, are domain.Invalid. It stops
	// with the first error that each returns.
	Walk(ctx context.Context, ends func(Ends), each func(Entry) error) error
	// Prune removes the entries older than a time and moves the lower end.
	Prune(ctx context.Context, before time.Time) (removed int64, err error)
}

// Query picks entries. Empty fields pick all.
type Query struct {
	Actor, Operation, Target string // the target: what it begins with
	From                     string
	Phase                    Phase
	Since, Until             time.Time // Since inclusive, Until exclusive
	Before                   int64     // only numbers below; 0: no bound
	OldestFirst              bool      // turns the list around
	After                    int64     // only numbers above
	Limit                    int
}

// Service writes and reads the audit log. It is safe for concurrent use.
type Service struct {
	store Store
	now   func() time.Time
	fails *failures
}

// NewService returns the log on its store.
func NewService(store Store, now func() time.Time) *Service {
	return &Service{store: store, now: now, fails: newFailures()}
}

// Begin announces a call. Where that fails the call must not be carried out: the
// error is domain.Unavailable, which asks the caller to try again.
func (s *Service) Begin(ctx context.Context, e Entry) (Entry, error) {
	e.Phase = Begun
	e, err := s.append(ctx, e)
	if err != nil {
		return e, &domain.Error{Kind: domain.Unavailable, Detail: "the audit log cannot be written, so nothing was done", Err: err}
	}
	return e, nil
}

// Finish records what came of a call that Begin announced. It is called also
// where the caller has gone, so it does not end with the caller's context.
func (s *Service) Finish(ctx context.Context, begun Entry, outcome Entry) error {
	outcome.Phase, outcome.Begun = Finished, begun.Number
	outcome.Actor, outcome.From, outcome.Interface = begun.Actor, begun.From, begun.Interface
	outcome.RequestID, outcome.Operation, outcome.Target = begun.RequestID, begun.Operation, begun.Target
	_, err := s.append(context.WithoutCancel(ctx), outcome)
	return domain.Wrap(err, "record the outcome of audit entry %d", begun.Number)
}

func (s *Service) append(ctx context.Context, e Entry) (Entry, error) {
	e.At = s.now().UTC().Truncate(time.Microsecond)
	e.Count = max(1, e.Count)
	e.Request, e.Before, e.After = bounded(e.Request), bounded(e.Before), bounded(e.After)
	e.Target, e.Actor = shorten(e.Target), shorten(e.Actor)
	return s.store.Append(ctx, func(ends Ends) (Entry, Ends) { return ends.next(e) })
}

// List returns entries, newest first. A limit of 0 means 100; more than 1001 are
// never returned.
func (s *Service) List(ctx context.Context, q Query) ([]Entry, error) {
	const defaultPage, maxPage = 100, 1001
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	q.Limit = min(q.Limit, maxPage)
	list, err := s.store.Entries(ctx, q)
	return list, domain.Wrap(err, "read the audit log")
}

// Keep is how long entries are kept: longer than a year, so that a yearly
// review finds the whole year.
const Keep = 400 * 24 * time.Hour

// Prune removes entries that are older than Keep, and records that it did.
func (s *Service) Prune(ctx context.Context) error {
	removed, err := s.store.Prune(ctx, s.now().Add(-Keep))
	if err != nil || removed == 0 {
		return domain.Wrap(err, "prune the audit log")
	}
	_, err = s.append(ctx, Entry{
		Phase: Finished, Actor: "postern", Interface: Gateway, Operation: "pruneAuditLog", Count: removed,
	})
	return domain.Wrap(err, "record that the audit log was pruned")
}
