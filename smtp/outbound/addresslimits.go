package outbound

import (
	"net/netip"
	"sync"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// addressLimits hold the limits of destination controls that are per MX address
// (B21): how many connections are in use there, and how many recipients were
// tried in the last minutes. Those per domain are the queue's to hold.
type addressLimits struct {
	now func() time.Time

	mu    sync.Mutex
	peers map[limitKey]*usage
}

// limitKey is one address under one destination control, by its pattern.
type limitKey struct {
	entry string
	addr  netip.Addr
}

type usage struct {
	active int
	window delivery.RateWindow
	over   time.Time // when the window is forgotten
}

const (
	// busyPause is how long mail waits for a connection that another uses.
	busyPause = 2 * time.Second
	// maxLimited is the number of addresses from which on those are forgotten of
	// which nothing is to be remembered.
	maxLimited = 10_000
)

func newAddressLimits(now func() time.Time) *addressLimits {
	return &addressLimits{now: now, peers: map[limitKey]*usage{}}
}

// enter takes a connection to the address for some of the recipients. Where it
// grants fewer than were asked for, until says when there may be more.
func (l *addressLimits) enter(control policy.DestinationControl, addr netip.Addr, recipients int) (granted int, until time.Time) {
	if control.LimitPer != policy.LimitPerMXAddress {
		return recipients, time.Time{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	u := l.usage(limitKey{control.Pattern.String(), addr}, now)
	if u.active >= max(control.MaxConnections, 1) {
		return 0, now.Add(busyPause)
	}
	room, until := u.window.Room(control.RecipientRate, now)
	if room == 0 {
		return 0, until
	}
	u.active++
	granted = min(room, recipients)
	if control.RecipientRate.Limits() {
		u.window.Spend(granted, now)
		u.over = now.Add(time.Duration(control.RecipientRate.Minutes) * time.Minute)
	}
	if granted < recipients {
		until = u.over
	}
	return granted, until
}

// usage returns what is known of an address. The caller holds the lock.
func (l *addressLimits) usage(key limitKey, now time.Time) *usage {
	u := l.peers[key]
	if u == nil {
		if len(l.peers) >= maxLimited {
			l.forget(now)
		}
		u = new(usage)
		l.peers[key] = u
	}
	return u
}

// forget drops addresses that are not in use and whose window is over.
func (l *addressLimits) forget(now time.Time) {
	for key, u := range l.peers {
		if u.active == 0 && !now.Before(u.over) {
			delete(l.peers, key)
		}
	}
}

// leave gives a connection back, with the recipients that were not tried on it.
func (l *addressLimits) leave(control policy.DestinationControl, addr netip.Addr, untried int) {
	if control.LimitPer != policy.LimitPerMXAddress {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.peers[limitKey{control.Pattern.String(), addr}]; u != nil {
		u.active--
		u.window.Refund(untried)
	}
}

// enter asks for room at the address for the recipients that are left. Those
// that do not fit are held back from it; false where none fits.
func (a *attempt) enter(to target, t terms) bool {
	pending := a.pending()
	granted, until := a.limits.enter(t.control, to.addr.Addr(), len(pending))
	for _, r := range pending[granted:] {
		r.held = true
	}
	if granted < len(pending) && (a.postponed.IsZero() || until.Before(a.postponed)) {
		a.postponed = until
	}
	if granted == 0 {
		a.note(delivery.HostTry{Host: to.hop.String(), Address: to.addr.String(), Level: t.rung.level},
			&failure{stage: delivery.StagePolicy, detail: "the limits of the destination control leave no room now"})
		a.release()
	}
	return granted > 0
}

// leave ends the use of the address.
func (a *attempt) leave(to target, t terms) {
	a.limits.leave(t.control, to.addr.Addr(), len(a.pending()))
	a.release()
}

// release lets the recipients that were held back go to other addresses.
func (a *attempt) release() {
	for _, r := range a.recipients {
		r.held = false
	}
}
