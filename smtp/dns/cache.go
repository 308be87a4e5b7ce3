package dns

import (
	"container/list"
	"sync"
	"time"
)

// Bounds of what the cache holds, in octets of DNS messages: on average per entry,
// and for one entry.
const (
	averageOctets  = 1 << 10
	maxEntryOctets = 16 << 10
)

// cache keeps answers and failures until their time is over or the room is
// needed. What was used longest ago goes first.
type cache struct {
	maxEntries int
	maxOctets  int
	now        func() time.Time

	mu      sync.Mutex
	octets  int
	byUse   *list.List // of *entry, the last used first
	entries map[question]*list.Element
}

// outcome is an answer or a failure.
type outcome struct {
	found records
	err   error // an [*Error]
}

type entry struct {
	outcome
	question question
	expires  time.Time
}

func newCache(maxEntries int, now func() time.Time) *cache {
	return &cache{
		maxEntries: maxEntries,
		maxOctets:  maxEntries * averageOctets,
		now:        now,
		byUse:      list.New(),
		entries:    make(map[question]*list.Element),
	}
}

// get returns what is known; false where nothing is.
func (c *cache) get(q question) (outcome, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[q]
	if element == nil {
		return outcome{}, false
	}
	e := entryOf(element)
	if !c.now().Before(e.expires) {
		c.remove(element)
		return outcome{}, false
	}
	c.byUse.MoveToFront(element)
	return e.outcome, true
}

// put keeps an answer for its TTL and a failure for a short while.
func (c *cache) put(q question, o outcome) {
	ttl := o.found.ttl
	if o.err != nil {
		ttl = failureTTL
	}
	if ttl <= 0 || o.found.octets > maxEntryOctets {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[q]; old != nil {
		c.remove(old)
	}
	c.entries[q] = c.byUse.PushFront(&entry{outcome: o, question: q, expires: c.now().Add(ttl)})
	c.octets += o.found.octets
	for c.byUse.Len() > c.maxEntries || c.octets > c.maxOctets {
		c.remove(c.byUse.Back())
	}
}

func (c *cache) remove(element *list.Element) {
	e := entryOf(element)
	c.byUse.Remove(element)
	delete(c.entries, e.question)
	c.octets -= e.found.octets
}

func entryOf(element *list.Element) *entry {
	e, _ := element.Value.(*entry)
	return e
}

// size is how many answers and failures are held.
func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}
