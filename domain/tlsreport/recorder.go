package tlsreport

import (
	"context"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// Store keeps figures by the hour, and what was last seen of destinations.
type Store interface {
	// AddTLSStatistics adds the figures to those that are there, and takes over
	// what is newer of the destinations, in one transaction.
	AddTLSStatistics(ctx context.Context, s Statistics, seen map[mailaddr.DomainName]delivery.DestinationHistory) error
	// TLSStatistics hands out the lines of a report in the order of their places,
	// until yield returns false.
	TLSStatistics(ctx context.Context, q Query, yield func(Line) bool) error
}

// maxPending bounds the keys, and the destinations, that wait to be written.
const maxPending = 20_000

// Recorder counts. It is safe for concurrent use, and counting never waits for
// the store.
type Recorder struct {
	store Store
	now   func() time.Time

	mu      sync.Mutex
	pending Statistics
	seen    map[mailaddr.DomainName]delivery.DestinationHistory
}

// NewRecorder returns a recorder that nothing was counted by.
func NewRecorder(store Store, now func() time.Time) *Recorder {
	r := &Recorder{store: store, now: now}
	r.take()
	return r
}

// CountConnection counts a connection whose fate is known.
func (r *Recorder) CountConnection(c Connection) {
	if c.Result == delivery.TLSUndecided {
		return
	}
	at := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending.Add(keyOf(c, at), Figures{Connections: 1}, maxPending)
	if c.Direction == Outgoing {
		r.see(mailaddr.DomainName(c.Domain), delivery.DestinationHistory{
			TLS: delivery.LastTLS{At: at, Host: c.Host, Result: c.Result, TLS: c.TLS, Detail: c.Detail},
		})
	}
}

// CountMessage counts a message that a connection carried.
func (r *Recorder) CountMessage(c Connection) {
	at := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending.Add(keyOf(c, at), Figures{Messages: 1}, maxPending)
}

// NoteFailure remembers an outcome that was no delivery as the last one of its
// destination.
func (r *Recorder) NoteFailure(destination mailaddr.DomainName, o delivery.Outcome) {
	at := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.see(destination, delivery.DestinationHistory{Error: delivery.LastError{At: at, Outcome: o}})
}

// see takes over what is newer. The caller holds the lock.
func (r *Recorder) see(destination mailaddr.DomainName, h delivery.DestinationHistory) {
	known, ok := r.seen[destination]
	if destination == "" || !ok && len(r.seen) >= maxPending {
		return
	}
	known.Merge(h)
	r.seen[destination] = known
}

// Flush adds what was counted to the store. What could not be written is kept
// for the next time.
func (r *Recorder) Flush(ctx context.Context) error {
	pending, seen := r.take()
	if len(pending) == 0 && len(seen) == 0 {
		return nil
	}
	err := r.store.AddTLSStatistics(ctx, pending, seen)
	if err != nil {
		r.putBack(pending, seen)
	}
	return domain.Wrap(err, "store the TLS statistics")
}

// take returns what is pending and begins anew.
func (r *Recorder) take() (Statistics, map[mailaddr.DomainName]delivery.DestinationHistory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pending, seen := r.pending, r.seen
	r.pending, r.seen = Statistics{}, map[mailaddr.DomainName]delivery.DestinationHistory{}
	return pending, seen
}

func (r *Recorder) putBack(pending Statistics, seen map[mailaddr.DomainName]delivery.DestinationHistory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, f := range pending {
		r.pending.Add(k, f, maxPending)
	}
	for destination, h := range seen {
		r.see(destination, h)
	}
}

// Report answers a query with at most limit summaries, by all that was counted
// until now.
func (r *Recorder) Report(ctx context.Context, q Query, limit int) (Report, error) {
	if err := r.Flush(ctx); err != nil {
		return Report{}, err
	}
	items := &collector{limit: limit}
	if err := r.store.TLSStatistics(ctx, q, items.add); err != nil {
		return Report{}, domain.Wrap(err, "read the TLS statistics")
	}
	totals, err := r.totals(ctx, q)
	return Report{Totals: totals, Items: items.items, More: items.more}, err
}

// Totals sums everything that the query is about, by direction, whatever it is
// grouped by.
func (r *Recorder) Totals(ctx context.Context, q Query) ([]Summary, error) {
	if err := r.Flush(ctx); err != nil {
		return nil, err
	}
	return r.totals(ctx, q)
}

// totals sums everything that the query is about, by direction.
func (r *Recorder) totals(ctx context.Context, q Query) ([]Summary, error) {
	q.GroupBy, q.After = ByNothing, Place{}
	found := map[Direction]*collector{Incoming: {limit: 1}, Outgoing: {limit: 1}}
	err := r.store.TLSStatistics(ctx, q, func(l Line) bool { return found[l.Direction].add(l) })
	if err != nil {
		return nil, domain.Wrap(err, "sum the TLS statistics")
	}
	var totals []Summary
	for _, d := range Directions() {
		switch {
		case q.Direction != "" && q.Direction != d:
		case len(found[d].items) == 0:
			totals = append(totals, Summary{Direction: d})
		default:
			totals = append(totals, found[d].items[0])
		}
	}
	return totals, nil
}
