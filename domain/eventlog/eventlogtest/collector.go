package eventlogtest

import (
	"sync"

	"postern/domain/eventlog"
)

// Collector takes in events as [eventlog.Log.Append] does, and keeps them. The zero
// value is empty.
type Collector struct {
	mu     sync.Mutex
	events []eventlog.Event
}

// Append keeps the event.
func (c *Collector) Append(e eventlog.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}

// Take returns the events and forgets them.
func (c *Collector) Take() []eventlog.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.events
	c.events = nil
	return taken
}
