package audit

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/account"
)

// Failed log-ins, and calls of a role or scope that does not allow them, are
// recorded too, but whoever makes them must not fill the disk: the first of a
// kind is recorded at once, and what follows within the window is counted and
// becomes one entry.
const (
	failureWindow = 10 * time.Minute
	// maxFailureKinds bounds the kinds of one window; the rest counts as one.
	maxFailureKinds = 64
)

// failureKind is what repeated failures have in common.
type failureKind struct {
	actor, from, operation string
	via                    Interface
	status                 int
}

// failures counts repetitions.
type failures struct {
	mu     sync.Mutex
	opened time.Time
	counts map[failureKind]int64
}

func newFailures() *failures { return &failures{counts: make(map[failureKind]int64)} }

// add counts a failure and reports whether it is to be recorded now.
func (f *failures) add(k failureKind, now time.Time) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.counts) == 0 {
		f.opened = now
	}
	if _, known := f.counts[k]; !known && len(f.counts) >= maxFailureKinds {
		k = failureKind{operation: "many", via: k.via, status: k.status}
	}
	_, known := f.counts[k]
	if known {
		f.counts[k]++
	} else {
		f.counts[k] = 0
	}
	return !known
}

// take returns the repetitions of a window that has passed; force ends it early.
func (f *failures) take(now time.Time, force bool) map[failureKind]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.counts) == 0 || !force && now.Sub(f.opened) < failureWindow {
		return nil
	}
	counts := f.counts
	f.counts = make(map[failureKind]int64)
	return counts
}

// Refused records a call that was turned away, at once or with others like it.
func (s *Service) Refused(ctx context.Context, e Entry) error {
	k := failureKind{shorten(e.Actor), e.From, e.Operation, e.Interface, e.Status}
	if !s.fails.add(k, s.now()) {
		return nil
	}
	e.Phase = Refused
	_, err := s.append(context.WithoutCancel(ctx), e)
	return domain.Wrap(err, "record a refused call")
}

// Flush records the repetitions of a window that has passed; last those of the
// window that is open too. It is to be called each minute.
func (s *Service) Flush(ctx context.Context, last bool) error {
	var errs []error
	for k, count := range s.fails.take(s.now(), last) {
		if count == 0 {
			continue
		}
		_, err := s.append(ctx, Entry{
			Phase: Refused, Actor: k.actor, From: k.from, Interface: k.via, Operation: k.operation, Status: k.status, Count: count,
		})
		errs = append(errs, err)
	}
	return domain.Wrap(errors.Join(errs...), "record repeated refusals")
}

// Authenticator is what finds out who calls.
type Authenticator interface {
	Authenticate(ctx context.Context, shown account.Credential, from netip.Addr) (account.Principal, error)
	Current(ctx context.Context, p account.Principal) (account.Principal, error)
}

// Gate is an authenticator whose refusals are recorded.
type Gate struct {
	Authenticator
	log  *Service
	fail func(error) // is told of refusals that could not be recorded
}

// NewGate puts the log around an authenticator. A refusal that cannot be
// recorded stays a refusal, and fail is told.
func NewGate(a Authenticator, log *Service, fail func(error)) *Gate {
	return &Gate{Authenticator: a, log: log, fail: fail}
}

// Authenticate is [Authenticator.Authenticate]. Of a failed log-in the claimed
// name is kept, never the password; a token has none.
func (g *Gate) Authenticate(ctx context.Context, shown account.Credential, from netip.Addr) (account.Principal, error) {
	p, err := g.Authenticator.Authenticate(ctx, shown, from)
	kind := domain.KindOf(err)
	status := map[domain.Kind]int{domain.Unauthenticated: 401, domain.Forbidden: 403, domain.Exhausted: 429}[kind]
	if err == nil || status == 0 {
		return p, err
	}
	recorded := g.log.Refused(ctx, Entry{
		Actor: cmp.Or(p.Name, shown.User), From: source(from), Interface: Gateway, Operation: "logIn", Status: status,
	})
	if recorded != nil {
		g.fail(recorded)
	}
	return p, err
}

// source is the network that one caller has: all of a /64 of IPv6.
func source(from netip.Addr) string {
	if !from.IsValid() {
		return ""
	}
	if from = from.Unmap(); from.Is6() {
		if p, err := from.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return from.String()
}
