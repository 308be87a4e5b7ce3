package outbound

import (
	"net/netip"
	"sync"
	"time"

	"postern/domain/delivery"
)

// restingList remembers the addresses that were out of reach lately (B33; RFC
// 5321 §4.5.4.1). They are tried last rather than left out, so that a dead
// address costs no message its time-out while another one serves, and a
// destination with a single address is none the worse. When a destination is
// tried at all is the queue's to say.
type restingList struct {
	now func() time.Time

	mu    sync.Mutex
	peers map[netip.AddrPort]rest
}

// rest is how long an address comes last.
type rest struct {
	until time.Time
	pause time.Duration
}

// The pause doubles with every failure in a row.
const (
	firstPause = time.Minute
	lastPause  = 32 * time.Minute
	// maxResting bounds the list. What does not fit is tried in its turn.
	maxResting = 10_000
)

func newRestingList(now func() time.Time) *restingList {
	return &restingList{now: now, peers: map[netip.AddrPort]rest{}}
}

// split parts the addresses into those to try in their turn and those to try
// last.
func (l *restingList) split(targets []target) (awake, resting []target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, to := range targets {
		if l.peers[to.addr].covers(now) {
			resting = append(resting, to)
		} else {
			awake = append(awake, to)
		}
	}
	return awake, resting
}

// covers reports whether the address comes last at the time. A clock that went
// back ends the rest.
func (r rest) covers(now time.Time) bool {
	return now.Before(r.until) && !now.Before(r.until.Add(-r.pause))
}

// note takes in what came of a new connection: the address rests where it was
// out of reach or turned us away before a word about the message.
func (l *restingList) note(addr netip.AddrPort, f *failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case f == nil || f.stage != delivery.StageConnect:
		delete(l.peers, addr)
	case f.class != stopped:
		l.prolong(addr)
	}
}

// prolong makes an address rest. The caller holds the lock.
func (l *restingList) prolong(addr netip.AddrPort) {
	if len(l.peers) >= maxResting {
		l.forget()
	}
	before, known := l.peers[addr]
	if !known && len(l.peers) >= maxResting {
		return
	}
	pause := min(max(2*before.pause, firstPause), lastPause)
	l.peers[addr] = rest{until: l.now().Add(pause), pause: pause}
}

// forget drops the addresses whose rest is long over.
func (l *restingList) forget() {
	now := l.now()
	for addr, r := range l.peers {
		if now.After(r.until.Add(lastPause)) {
			delete(l.peers, addr)
		}
	}
}
