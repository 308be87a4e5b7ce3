// Package reportonly counts what rules that only report would have refused: by
// rule and day, with the newest example (B72). Counting happens in memory and
// never waits for the disk; every few seconds, and at the stop, the figures are
// added to those in the store.
package reportonly

import (
	"context"
	"sync"
	"time"

	"postern/domain"
)

// Kind is the sort of rule.
type Kind string

// The kinds.
const (
	DestinationControl Kind = "destination_control"
	MailFlowPolicy     Kind = "mail_flow_policy"
	ContentFilter      Kind = "content_filter"
)

// Kinds are all kinds.
func Kinds() []Kind { return []Kind{ContentFilter, DestinationControl, MailFlowPolicy} }

// ParseKind reads a kind's name; empty stands for all.
func ParseKind(s string) (Kind, error) {
	switch k := Kind(s); k {
	case "", DestinationControl, MailFlowPolicy, ContentFilter:
		return k, nil
	}
	return "", domain.E(domain.Invalid, "%q is no kind of rule that only reports: use destination_control, mail_flow_policy or content_filter", s)
}

// Rule is a rule that only reports: the pattern of a destination control, or the
// name of a policy or filter.
type Rule struct {
	Kind Kind
	Name string
}

// Key is what figures are added up by.
type Key struct {
	Rule
	Day time.Time // of UTC
}

// Figures are what a rule would have done on a day.
type Figures struct {
	Refused int64
	// Untold counts messages of which that cannot be told.
	Untold int64
	// FirstAt and LastAt are when the rule would have refused something; Example
	// is the queue id of the last message, and Detail why.
	FirstAt, LastAt time.Time
	Example, Detail string
}

// Merge adds figures of the same key.
func (f *Figures) Merge(other Figures) {
	f.Refused += other.Refused
	f.Untold += other.Untold
	if !other.FirstAt.IsZero() && (f.FirstAt.IsZero() || other.FirstAt.Before(f.FirstAt)) {
		f.FirstAt = other.FirstAt
	}
	if other.LastAt.After(f.LastAt) {
		f.LastAt, f.Example, f.Detail = other.LastAt, other.Example, other.Detail
	}
}

// Line is the figures of one rule and day.
type Line struct {
	Key
	Figures
}

// Query asks for figures, the newest day first. Zero fields choose all.
type Query struct {
	Kind Kind
	Name string
	// After is the key that the answer continues behind.
	After Key
	Limit int
}

// Store keeps figures.
type Store interface {
	// AddReportOnly adds the figures to those that are there.
	AddReportOnly(ctx context.Context, figures map[Key]Figures) error
	// ReportOnly returns figures, the newest day first, then by kind and name.
	ReportOnly(ctx context.Context, q Query) ([]Line, error)
}

// maxPending bounds the keys that wait to be written: more rules than that are
// not written by hand.
const maxPending = 10_000

// Counter counts. It is safe for concurrent use.
type Counter struct {
	store Store
	now   func() time.Time

	mu      sync.Mutex
	pending map[Key]Figures
	totals  map[Kind]int64
}

// NewCounter returns a counter that has counted nothing.
func NewCounter(store Store, now func() time.Time) *Counter {
	return &Counter{store: store, now: now, pending: map[Key]Figures{}, totals: map[Kind]int64{}}
}

// Refuse counts a message that the rule would have refused.
func (c *Counter) Refuse(r Rule, example, detail string) {
	at := c.now().UTC()
	c.add(r, at, Figures{Refused: 1, FirstAt: at, LastAt: at, Example: example, Detail: detail})
}

// CannotTell counts a message of which that is not known.
func (c *Counter) CannotTell(r Rule) { c.add(r, c.now().UTC(), Figures{Untold: 1}) }

func (c *Counter) add(r Rule, at time.Time, f Figures) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals[r.Kind] += f.Refused
	c.merge(Key{r, at.Truncate(24 * time.Hour)}, f)
}

// merge adds to what is pending. The caller holds the lock.
func (c *Counter) merge(k Key, f Figures) {
	known, ok := c.pending[k]
	if !ok && len(c.pending) >= maxPending {
		return
	}
	known.Merge(f)
	c.pending[k] = known
}

// Refused returns how many messages rules of the kind would have refused since
// the start.
func (c *Counter) Refused(k Kind) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals[k]
}

// Flush adds what was counted to the store. What could not be written is kept
// for the next time.
func (c *Counter) Flush(ctx context.Context) error {
	c.mu.Lock()
	batch := c.pending
	c.pending = map[Key]Figures{}
	c.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := c.store.AddReportOnly(ctx, batch)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		for k, f := range batch {
			c.merge(k, f)
		}
	}
	return domain.Wrap(err, "store what rules report")
}

// List answers a query by all that was counted until now.
func (c *Counter) List(ctx context.Context, q Query) ([]Line, error) {
	if err := c.Flush(ctx); err != nil {
		return nil, err
	}
	list, err := c.store.ReportOnly(ctx, q)
	return list, domain.Wrap(err, "read what rules report")
}
