package scan

import (
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"postern/domain/policy"
)

// order chooses which server is asked first. A server that failed rests: it is
// asked after the others, so that not every message waits for it in vain.
type order struct {
	now  func() time.Time
	rest time.Duration

	mu      sync.Mutex
	turn    int
	resting map[string]time.Time // until when, by URI
}

func newOrder(now func() time.Time, rest time.Duration) *order {
	return &order{now: now, rest: rest, resting: map[string]time.Time{}}
}

// of returns the endpoints of a profile in the order in which to try them.
func (o *order) of(p policy.CoreProfile) []*url.URL {
	list := p.Endpoints()
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.Preference == policy.PreferRoundRobin && len(list) > 0 {
		first := o.turn % len(list)
		o.turn++
		list = slices.Concat(list[first:], list[:first])
	}
	slices.SortStableFunc(list, func(a, b *url.URL) int { return o.rank(a) - o.rank(b) })
	return list
}

// rank is 1 for a server that rests, else 0.
func (o *order) rank(u *url.URL) int {
	if o.now().Before(o.resting[u.String()]) {
		return 1
	}
	return 0
}

// failed lets a server rest.
func (o *order) failed(u *url.URL) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	maps.DeleteFunc(o.resting, func(_ string, until time.Time) bool { return !now.Before(until) })
	o.resting[u.String()] = now.Add(o.rest)
}

// served ends a server's rest.
func (o *order) served(u *url.URL) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.resting, u.String())
}
