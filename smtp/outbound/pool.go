package outbound

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// PoolLimits bound the idle connections that are kept.
type PoolLimits struct {
	PerPeer int           // with the same key
	Total   int           // the oldest give way
	Idle    time.Duration // how long a connection is kept unused
}

// DefaultPoolLimits keep connections long enough for a busy destination, and
// shorter than peers wait for us (RFC 5321 §4.5.3.2.7: five minutes). A peer that
// serves many destinations, such as a smarthost, has the connections of all of
// them: what is kept for it bounds nothing that B21 does not, and fewer would make
// every delivery beyond that number greet the peer anew.
func DefaultPoolLimits() PoolLimits {
	return PoolLimits{PerPeer: 200, Total: 500, Idle: 30 * time.Second}
}

// poolKey is what two deliveries must have in common to share a connection
// (B29): the same peer under the same name, greeted in the same way, under the
// same requirement.
type poolKey struct {
	addr        netip.AddrPort
	host        mailaddr.DomainName
	hello       string
	requirement string // Decision.Key
	// level is that of the rung: a connection in clear, made because the peer
	// was on the one-hour list, must not outlive its time there.
	level policy.TLSLevel
	// scope is the recipient domain, where the certificate was held against it.
	scope mailaddr.DomainName
	// profile is the server profile with its credentials, where there is one:
	// the peer knows us by them.
	profile string
	// dane names the TLSA records, where the certificate was held against some.
	dane string
}

// pool keeps idle sessions. Those used last are handed out first, so that the
// others can go.
type pool struct {
	limits PoolLimits

	mu     sync.Mutex
	closed bool
	drains int // so far
	peers  map[poolKey][]*idle
	oldest list.List // of *idle, the one kept longest in front
}

// idle is a session that nobody uses.
type idle struct {
	session *session
	expiry  *time.Timer
	place   *list.Element // in oldest
}

func newPool(limits PoolLimits) *pool {
	return &pool{limits: limits, peers: map[poolKey][]*idle{}}
}

// take hands out a living session with the key, nil where there is none.
func (p *pool) take(key poolKey) *session {
	for {
		s := p.pop(key)
		if s == nil || s.client.alive() {
			return s
		}
		s.client.abandon()
	}
}

func (p *pool) pop(key poolKey) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.peers[key]
	if len(kept) == 0 {
		return nil
	}
	last := kept[len(kept)-1]
	p.remove(last)
	return last.session
}

// put keeps a session, or ends it where there is no room for its key. Where the
// pool is full, the session kept longest gives way.
func (p *pool) put(s *session) {
	if surplus := p.keep(s); surplus != nil {
		surplus.client.quit()
	}
}

// keep returns the session that has to go.
func (p *pool) keep(s *session) (surplus *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || s.drains != p.drains || len(p.peers[s.key]) >= p.limits.PerPeer || p.limits.Total <= 0 {
		return s
	}
	if p.oldest.Len() >= p.limits.Total {
		first := p.oldest.Front().Value.(*idle)
		p.remove(first)
		surplus = first.session
	}
	kept := &idle{session: s}
	kept.place = p.oldest.PushBack(kept)
	kept.expiry = time.AfterFunc(p.limits.Idle, func() { p.expire(kept) })
	p.peers[s.key] = append(p.peers[s.key], kept)
	return surplus
}

// expire ends a session that nobody wanted in time.
func (p *pool) expire(kept *idle) {
	p.mu.Lock()
	present := kept.place != nil
	if present {
		p.remove(kept)
	}
	p.mu.Unlock()
	if present {
		kept.session.client.quit()
	}
}

// remove takes a session out. The caller holds the lock.
func (p *pool) remove(kept *idle) {
	kept.expiry.Stop()
	p.oldest.Remove(kept.place)
	kept.place = nil
	key := kept.session.key
	rest := p.peers[key]
	for i, other := range rest {
		if other == kept {
			rest = append(rest[:i], rest[i+1:]...)
			break
		}
	}
	if p.peers[key] = rest; len(rest) == 0 {
		delete(p.peers, key)
	}
}

// close ends every idle session and keeps none any more.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drain()
}

// drain ends every idle session. One that was begun before and is in use ends
// when it comes back.
func (p *pool) drain() {
	var wg sync.WaitGroup
	for _, s := range p.empty() {
		wg.Go(s.client.quit)
	}
	wg.Wait()
}

// empty takes every session out.
func (p *pool) empty() []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drains++
	var all []*session
	for p.oldest.Len() > 0 {
		first := p.oldest.Front().Value.(*idle)
		p.remove(first)
		all = append(all, first.session)
	}
	return all
}

// drained returns how often the pool was drained, for a session that begins.
func (p *pool) drained() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drains
}

// size returns how many sessions are idle.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.oldest.Len()
}
