package account

import (
	"net/netip"
	"sync"
	"time"

	"postern/domain"
)

const (
	// freeFailures are allowed before any wait: people mistype.
	freeFailures = 3
	firstWait    = time.Second
	longestWait  = 5 * time.Minute
	// forgetAfter is how long after the last failure it is forgotten.
	forgetAfter = 15 * time.Minute
	// maxTracked bounds the failures remembered of addresses, and of accounts.
	maxTracked = 10_000
)

// attempt is one try to log in.
type attempt struct {
	from    netip.Addr
	account string // as claimed; empty where none was
}

// source is the address as far as it is one caller's: who has one IPv6 address
// has all of its /64.
func (a attempt) source() string {
	if a.from.Is6() && !a.from.Is4In6() {
		if p, err := a.from.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.from.Unmap().String()
}

// failures are those of one address or one account.
type failures struct {
	count int
	last  time.Time
}

// wait is how long the next try must keep away from the last: none after the
// free failures, then a second, doubled each time.
func (f failures) wait() time.Duration {
	over := f.count - freeFailures
	switch {
	case over < 0:
		return 0
	case over >= 9: // 2⁹ s is more than the longest
		return longestWait
	}
	return min(firstWait<<over, longestWait)
}

// remaining is how long the next try must still wait.
func (f failures) remaining(now time.Time) time.Duration { return f.last.Add(f.wait()).Sub(now) }

func (f failures) forgotten(now time.Time) bool { return now.Sub(f.last) >= forgetAfter }

// guesses slows down who guesses passwords. Failures count against the address
// they come from and against the account they claim.
//
// The wait of an account holds only callers whose own address has failed: else
// anyone could lock an administrator out by failing in his name. What a caller
// with many addresses wins by it is one try from each.
type guesses struct {
	mu        sync.Mutex
	addresses map[string]failures
	accounts  map[string]failures
}

func newGuesses() *guesses {
	return &guesses{addresses: make(map[string]failures), accounts: make(map[string]failures)}
}

// check returns domain.Exhausted while the attempt has to wait.
func (g *guesses) check(a attempt, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	address := g.addresses[a.source()]
	if address.count == 0 || address.forgotten(now) {
		return nil
	}
	wait := max(address.remaining(now), g.accounts[accountKey(a.account)].remaining(now))
	if wait > 0 {
		return slowDown("too many failed log-ins", wait)
	}
	return nil
}

// failed counts a failure.
func (g *guesses) failed(a attempt, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	count(g.addresses, a.source(), now)
	if a.account != "" {
		count(g.accounts, accountKey(a.account), now)
	}
}

// succeeded forgets the failures of the account. Those of the address stay
// until they are old: else who has an account of his own could wash his address
// clean between two guesses at another.
func (g *guesses) succeeded(a attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.accounts, accountKey(a.account))
}

// accountKey bounds what is kept of a claimed name.
func accountKey(name string) string { return name[:min(len(name), 256)] }

// count adds a failure to a bounded map.
func count(m map[string]failures, key string, now time.Time) {
	f, known := m[key]
	if f.forgotten(now) {
		f.count = 0
	}
	if !known && len(m) >= maxTracked {
		makeRoom(m, now)
	}
	m[key] = failures{count: f.count + 1, last: now}
}

// makeRoom removes one of a few entries, which the map's order picks at random:
// a forgotten one, else the one with the fewest failures. A flood of new names
// so drives out its own kind, not the account that is under attack.
func makeRoom(m map[string]failures, now time.Time) {
	const sample = 32
	var victim string
	least, seen := -1, 0
	for key, f := range m {
		if f.forgotten(now) {
			victim = key
			break
		}
		if least < 0 || f.count < least {
			victim, least = key, f.count
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(m, victim)
}

// slowDownError is domain.Exhausted with the time after which to try again.
type slowDownError struct {
	exhausted *domain.Error
	wait      time.Duration
}

func slowDown(reason string, wait time.Duration) error {
	seconds := (wait + time.Second - 1) / time.Second
	return &slowDownError{domain.E(domain.Exhausted, "%s: try again in %d s", reason, seconds), wait}
}

// Error returns the reason and the time to wait.
func (e *slowDownError) Error() string { return e.exhausted.Error() }

// RetryAfter is how long the caller should wait.
func (e *slowDownError) RetryAfter() time.Duration { return e.wait }

// Unwrap returns the error in the terms of the domain.
func (e *slowDownError) Unwrap() error { return e.exhausted }
