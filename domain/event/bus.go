// Package event wakes loops that follow the stored state.
//
// An event says "something of this topic changed", never what: the follower
// loads the state and finds out. Wakes may therefore be merged, and a follower
// that is late or was not yet subscribed loses nothing that a look at the state
// (at start, and now and then by a ticker) does not give back. Events are
// hints, state is the truth.
//
// A [Mark] answers the opposite question: how far has the follower come?
package event

import (
	"slices"
	"sync"
)

// Topic is what changed.
type Topic uint8

// The topics.
const (
	ConfigurationChanged Topic = iota // a revision was committed
	ConfigurationApplied              // the engine runs on a newer revision
	CertificateActivated              // another certificate is the active one
	CertificatesChanged               // a certificate was added or deleted
	QueueChanged                      // messages were queued, released or made due
	AccountsChanged                   // administrators, tokens or roles changed
	ConfigurationStuck                // what keeps the newest revision from being applied changed
	ResolverExamined                  // it was looked whether the DNS resolvers validate
)

// Bus carries wakes from those who changed something to those who follow. The
// zero value is ready for use. It is safe for concurrent use.
type Bus struct {
	mu            sync.Mutex
	subscriptions map[*Subscription]struct{}
}

// Subscription is one follower's end of a [Bus].
type Subscription struct {
	bus    *Bus
	topics []Topic
	wake   chan struct{}
}

// Subscribe returns a subscription to the topics; to all topics where none is
// named. The caller closes it.
func (b *Bus) Subscribe(topics ...Topic) *Subscription {
	s := &Subscription{bus: b, topics: topics, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subscriptions == nil {
		b.subscriptions = make(map[*Subscription]struct{})
	}
	b.subscriptions[s] = struct{}{}
	return s
}

// Publish wakes every follower of the topic. It never blocks: a follower that
// has a wake pending already needs no second one.
func (b *Bus) Publish(topic Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subscriptions {
		if s.follows(topic) {
			s.notify()
		}
	}
}

// C delivers wakes, at most one pending. It is never closed: a follower ends by
// its context, not by the bus.
func (s *Subscription) C() <-chan struct{} { return s.wake }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.bus.subscriptions, s)
}

func (s *Subscription) follows(topic Topic) bool {
	return len(s.topics) == 0 || slices.Contains(s.topics, topic)
}

func (s *Subscription) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
