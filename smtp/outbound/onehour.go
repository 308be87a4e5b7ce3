package outbound

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"postern/domain/mailaddr"
)

// ClearPeer is an entry of the one-hour list: a peer to which mail goes without
// TLS for now.
type ClearPeer struct {
	Addr   netip.Addr
	Host   mailaddr.DomainName // empty where it was reached by address
	Since  time.Time
	Reason string // of the failed handshake
}

// OneHourList holds the peers whose handshake failed, so that STARTTLS is
// skipped where a decision allows that (B24). It is safe for concurrent use.
//
// The whole list is emptied every hour, rather than each entry an hour after it
// came: a peer that has been mended is tried again soon, whoever listed it last,
// and an entry that keeps being renewed cannot stay.
type OneHourList struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time // the present hour
	peers map[netip.Addr]ClearPeer
}

// maxClearPeers bounds the list. Peers beyond it are not listed, and so get no
// mail in clear.
const maxClearPeers = 10_000

// NewOneHourList returns an empty list whose first hour begins now.
func NewOneHourList(now func() time.Time) *OneHourList {
	return &OneHourList{now: now, began: now(), peers: map[netip.Addr]ClearPeer{}}
}

// Add lists a peer and reports whether there was room.
func (l *OneHourList) Add(addr netip.Addr, host mailaddr.DomainName, reason string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.turn()
	addr = addr.Unmap()
	if _, listed := l.peers[addr]; !listed && len(l.peers) >= maxClearPeers {
		return false
	}
	l.peers[addr] = ClearPeer{Addr: addr, Host: host, Since: now, Reason: reason}
	return true
}

// Contains reports whether the peer is listed.
func (l *OneHourList) Contains(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	_, listed := l.peers[addr.Unmap()]
	return listed
}

// List returns the entries in order of their addresses.
func (l *OneHourList) List() []ClearPeer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	list := make([]ClearPeer, 0, len(l.peers))
	for _, peer := range l.peers {
		list = append(list, peer)
	}
	slices.SortFunc(list, func(a, b ClearPeer) int { return a.Addr.Compare(b.Addr) })
	return list
}

// EmptiedAt returns when the list will be emptied next.
func (l *OneHourList) EmptiedAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	return l.began.Add(time.Hour)
}

// Remove takes a peer off the list and reports whether it was on it.
func (l *OneHourList) Remove(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	_, listed := l.peers[addr.Unmap()]
	delete(l.peers, addr.Unmap())
	return listed
}

// Clear empties the list and returns how many peers were on it.
func (l *OneHourList) Clear() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	n := len(l.peers)
	clear(l.peers)
	return n
}

// turn empties the list where an hour has passed since it was emptied last, or
// the clock went back, and returns the time.
func (l *OneHourList) turn() time.Time {
	now := l.now()
	if passed := now.Sub(l.began); passed >= time.Hour || passed < 0 {
		clear(l.peers)
		l.began = now
		if passed > 0 {
			l.began = now.Add(-passed % time.Hour)
		}
	}
	return now
}
