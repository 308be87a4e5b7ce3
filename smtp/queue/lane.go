package queue

import (
	"math/rand/v2"
	"slices"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// lane is the mail for one destination. It belongs to the scheduler's lock.
type lane struct {
	destination mailaddr.DomainName
	ready       []*entry // in the order in which they are tried
	active      int      // deliveries under way
	// next is when to look on disk; zero: nothing is there that is not in
	// memory.
	next      time.Time
	refilling bool // the lane is being filled from disk, or waits for it
	inTurn    bool // the lane stands among those that take turns
	suspension
	sweeping bool // overdue messages are being settled

	wake      time.Time // when the lane asked to be looked at
	wakeIndex int       // position in the heap of wakes, -1: not there

	limitOf *config.Snapshot // that control was read from
	control policy.DestinationControl
	// addresses are those that took mail of the destination: as many times over
	// the limit of connections holds where it is per address (B21).
	addresses map[string]struct{}
	// pausedUntil is when the limits of the destination leave room again.
	pausedUntil time.Time
}

func newLane(destination mailaddr.DomainName) *lane {
	return &lane{destination: destination, wakeIndex: -1}
}

// maxDeliveries is how many deliveries the lane may have under way.
func (l *lane) maxDeliveries(snapshot *config.Snapshot) int {
	if l.failures > 0 {
		return 1 // until the destination has answered again
	}
	control := l.controlIn(snapshot)
	limit := max(control.MaxConnections, 1)
	if control.LimitPer == policy.LimitPerMXAddress {
		limit *= max(len(l.addresses), 1)
	}
	return limit
}

// controlIn is the destination control of the lane.
func (l *lane) controlIn(snapshot *config.Snapshot) policy.DestinationControl {
	if l.limitOf != snapshot {
		l.limitOf = snapshot
		l.control, _ = snapshot.Control(l.destination)
	}
	return l.control
}

// lookAt makes the lane look on disk at the time, if it would do so later.
func (l *lane) lookAt(t time.Time) { l.next = earliest(l.next, t) }

// onDisk reports whether the disk has messages that are due.
func (l *lane) onDisk(now time.Time) bool { return !l.next.IsZero() && !l.next.After(now) }

func (l *lane) push(e *entry) {
	l.ready = append(l.ready, e)
	e.lanes = append(e.lanes, l)
}

// pushFront puts back what could not be taken whole.
func (l *lane) pushFront(e *entry) {
	l.ready = append([]*entry{e}, l.ready...)
	e.lanes = append(e.lanes, l)
}

func (l *lane) pop() *entry {
	e := l.ready[0]
	l.ready[0] = nil
	l.ready = l.ready[1:]
	e.leave(l)
	return e
}

// remove takes an entry out, wherever it stands.
func (l *lane) remove(e *entry) {
	l.ready = slices.DeleteFunc(l.ready, func(other *entry) bool { return other == e })
	e.leave(l)
}

// idle reports whether the lane has nothing to do now or later.
func (l *lane) idle() bool {
	return len(l.ready) == 0 && l.active == 0 && l.next.IsZero() && !l.refilling && !l.sweeping
}

// The first suspension of a destination, and the longest.
const (
	firstSuspension = 15 * time.Second
	maxSuspension   = 15 * time.Minute
)

// suspension is what is known about a destination that could not be reached.
type suspension struct {
	failures int // in a row
	until    time.Time
	decided  time.Time // when until was set
	outcome  delivery.Outcome
}

// suspended reports whether the destination is to be left alone.
func (s *suspension) suspended(now time.Time) bool { return s.failures > 0 && now.Before(s.until) }

// fail takes note of a delivery, started then, that reached no host. Those that
// were under way together count once.
func (s *suspension) fail(started, now time.Time, o delivery.Outcome) (changed bool) {
	if s.failures > 0 && started.Before(s.decided) {
		return false
	}
	pause := firstSuspension << min(s.failures, 6)
	s.failures++
	s.until, s.decided, s.outcome = now.Add(jitter(min(pause, maxSuspension))), now, o
	return true
}

// lift ends the suspension.
func (s *suspension) lift() { *s = suspension{} }

// jitter spreads a pause by a tenth to both sides, so that what failed together
// does not come back together.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// wakes is a heap of lanes by the time at which they want to be looked at.
type wakes []*lane

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].wake.Before(w[j].wake) }

func (w wakes) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].wakeIndex, w[j].wakeIndex = i, j
}

// Push adds a lane; for container/heap.
func (w *wakes) Push(x any) {
	l := x.(*lane)
	l.wakeIndex = len(*w)
	*w = append(*w, l)
}

// Pop removes the last lane; for container/heap.
func (w *wakes) Pop() any {
	last := len(*w) - 1
	l := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	l.wakeIndex = -1
	return l
}
