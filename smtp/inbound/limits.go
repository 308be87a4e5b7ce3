package inbound

import (
	"net/netip"
	"sync"
	"time"

	"postern/domain/policy"
	"postern/smtp/reply"
)

// Limits counts connections and recipients. It outlives generations, so that a
// change of configuration does not forget who is connected.
type Limits struct {
	mu         sync.Mutex
	listeners  map[string]int
	addresses  map[listenerAddr]int
	recipients map[netip.Addr]int
	hour       time.Time // that recipients are counted for
}

type listenerAddr struct {
	listener string
	addr     netip.Addr
}

// maxCountedAddresses bounds the memory for clients; beyond it the oldest hour
// is as good as forgotten.
const maxCountedAddresses = 200_000

// NewLimits returns limits with nothing counted.
func NewLimits() *Limits {
	return &Limits{
		listeners:  map[string]int{},
		addresses:  map[listenerAddr]int{},
		recipients: map[netip.Addr]int{},
	}
}

// enter counts a connection in, or says why not (B11). The caller calls the
// returned function when the connection ends.
func (l *Limits) enter(listener policy.Listener) (leave func(), refusal *reply.Reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listeners[listener.Name] >= listener.MaxConcurrency {
		r := reply.Busy()
		return nil, &r
	}
	l.listeners[listener.Name]++
	return func() { l.leave(listener.Name) }, nil
}

func (l *Limits) leave(listener string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners[listener]--
}

// identify counts the connection for its client, who behind a proxy is known
// later than the connection (B11). The caller calls the returned function when
// the connection ends.
func (l *Limits) identify(listener policy.Listener, addr netip.Addr) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := listenerAddr{listener.Name, addr}
	l.addresses[key]++
	return func() { l.forget(key) }
}

func (l *Limits) forget(key listenerAddr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addresses[key]--; l.addresses[key] <= 0 {
		delete(l.addresses, key)
	}
}

// checkPerAddress holds the client's connections, this one included, against
// the limit of its policy (B14).
func (l *Limits) checkPerAddress(listener policy.Listener, addr netip.Addr, limit int) *reply.Reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addresses[listenerAddr{listener.Name, addr}] <= limit {
		return nil
	}
	r := reply.TooManyConnections()
	return &r
}

// countRecipient counts a recipient for this hour; false when the limit is
// reached (B14). A limit of 0 is none.
func (l *Limits) countRecipient(addr netip.Addr, limit int, now time.Time) bool {
	if limit == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if hour := now.Truncate(time.Hour); !hour.Equal(l.hour) || len(l.recipients) > maxCountedAddresses {
		l.hour = hour
		clear(l.recipients)
	}
	if l.recipients[addr] >= limit {
		return false
	}
	l.recipients[addr]++
	return true
}

// Connections returns the number of open connections of a listener.
func (l *Limits) Connections(listener string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listeners[listener]
}
