package queue

import (
	"sync"
	"time"
)

// clock is a wall clock that never jumps. It starts with the system's and runs
// by elapsed time; where the system's is set to another time, it follows slowly.
// So an administrator who sets a clock by a day, or a virtual machine that wakes
// up in another month, neither expires the mail in the queue nor stalls it.
type clock struct {
	wall func() time.Time

	mu   sync.Mutex
	last time.Time // what it showed last
	read time.Time // when that was, by elapsed time
}

// maxSlew is how much of the elapsed time the clock may gain or lose while it
// follows the system's.
const maxSlew = 10 // a tenth

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, last: wall().Round(0), read: time.Now()}
}

// Now returns what the clock shows.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	elapsed := now.Sub(c.read)
	c.last = c.last.Add(elapsed)
	c.read = now
	slew := elapsed / maxSlew
	c.last = c.last.Add(min(max(c.wall().Sub(c.last), -slew), slew))
	return c.last
}
