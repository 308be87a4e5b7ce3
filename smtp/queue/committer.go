package queue

import (
	"context"
	"slices"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// Bounds of one transaction.
const (
	maxBatchRequests = 256
	maxBatchOctets   = 8 << 20
)

// gatherTime is how long a batch waits for requests like those that made up the
// one before it.
const gatherTime = time.Millisecond

// committer writes for everyone. What arrives while a commit is under way goes
// into the next one together. Those who were written together tend to come again
// together, a moment after they were answered: a batch waits that moment for as
// many as there were the last time. One that was alone waits for nobody.
type committer struct {
	store    Store
	ledger   ledger
	health   *health
	requests chan *request
	stop     chan struct{} // closed: write what is there, then end
	ended    chan struct{} // closed: no request is taken any more
	expected int           // requests in the last batch
}

// ledger is told of messages around the transaction that stores them: before,
// so that they are known when the disk first shows them, and after.
type ledger interface {
	arriving([]*delivery.Message)
	arrived([]*delivery.Message)
	refused([]*delivery.Message)
}

// request is a part of the next batch.
type request struct {
	batch   delivery.Batch
	written delivery.Written
	err     error
	done    chan struct{} // closed when written and err are set
}

func newCommitter(store Store, l ledger, h *health) *committer {
	return &committer{
		store: store, ledger: l, health: h,
		requests: make(chan *request, maxBatchRequests),
		stop:     make(chan struct{}),
		ended:    make(chan struct{}),
	}
}

// errStopped is returned for what comes after the end.
var errStopped error = domain.E(domain.Unavailable, "the queue is stopping")

// write makes the batch durable with whatever else is there to be written. Once
// the batch is handed over the context has no say any more: its fate would be
// unknown.
func (c *committer) write(ctx context.Context, b delivery.Batch) (delivery.Written, error) {
	r := &request{batch: b, done: make(chan struct{})}
	select {
	case c.requests <- r:
	case <-c.ended:
		return delivery.Written{}, errStopped
	case <-ctx.Done():
		return delivery.Written{}, ctx.Err()
	}
	select {
	case <-r.done:
		return r.written, r.err
	case <-c.ended:
	}
	select {
	case <-r.done: // by the last batch
		return r.written, r.err
	default:
		return delivery.Written{}, errStopped
	}
}

// run writes until stop is closed and nothing is left.
func (c *committer) run() {
	defer close(c.ended)
	for {
		select {
		case r := <-c.requests:
			c.commit(c.collect(r))
			continue
		default:
		}
		select {
		case r := <-c.requests:
			c.commit(c.collect(r))
		case <-c.stop:
			return
		}
	}
}

// collect takes what is there, and what comes soon, up to the bounds of a
// transaction.
func (c *committer) collect(first *request) []*request {
	b := gathering{requests: []*request{first}, octets: first.octets()}
	c.drain(&b)
	if len(b.requests) < c.expected {
		c.await(&b)
	}
	c.expected = len(b.requests)
	return b.requests
}

// gathering is a batch that is being collected.
type gathering struct {
	requests []*request
	octets   int64
}

func (b *gathering) full() bool {
	return len(b.requests) >= maxBatchRequests || b.octets >= maxBatchOctets
}

func (b *gathering) add(r *request) {
	b.requests, b.octets = append(b.requests, r), b.octets+r.octets()
}

// drain takes what is there.
func (c *committer) drain(b *gathering) {
	for !b.full() {
		select {
		case r := <-c.requests:
			b.add(r)
		default:
			return
		}
	}
}

// await takes what comes until as many are there as the last time.
func (c *committer) await(b *gathering) {
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	for !b.full() && len(b.requests) < c.expected {
		select {
		case r := <-c.requests:
			b.add(r)
		case <-timer.C:
			return
		case <-c.stop:
			return
		}
	}
}

// octets is what the request adds to the size of the transaction, roughly:
// bodies in files are not part of it.
func (r *request) octets() (n int64) {
	for _, m := range r.batch.Accepted {
		if size := m.Body.Size(); size <= maxBodyInMemory {
			n += size
		}
	}
	return n
}

// commit writes the requests together. Where the store is at work but turns the
// batch down, one of them is at fault: then each is written by itself.
func (c *committer) commit(requests []*request) {
	err := c.writeTogether(requests)
	if err != nil && len(requests) > 1 && domain.KindOf(err) != domain.Unavailable {
		for _, r := range requests {
			r.err = c.writeTogether([]*request{r})
		}
		err = nil
	}
	for _, r := range requests {
		if err != nil {
			r.err = err
		}
		close(r.done)
	}
	c.tell(requests)
}

func (c *committer) writeTogether(requests []*request) error {
	batch := merge(requests)
	c.ledger.arriving(batch.Accepted)
	for _, s := range batch.Settlements {
		c.ledger.arriving(s.Notices)
	}
	written, err := c.store.Write(context.Background(), &batch)
	c.health.wrote(err)
	if err == nil {
		split(written, requests)
	}
	return err
}

// tell says which messages have become part of the queue, after those who wait
// for the write have been answered.
func (c *committer) tell(requests []*request) {
	var stored, refused []*delivery.Message
	for _, r := range requests {
		taken, left := r.arrivals()
		if r.err != nil {
			taken, left = nil, append(left, taken...)
		}
		stored, refused = append(stored, taken...), append(refused, left...)
	}
	if len(refused) > 0 {
		c.ledger.refused(refused)
	}
	if len(stored) > 0 {
		c.ledger.arrived(stored)
	}
}

// arrivals returns the request's messages: accepted ones and notices, and apart
// from them the notices of settlements that were left out.
func (r *request) arrivals() (taken, left []*delivery.Message) {
	taken = r.batch.Accepted[:len(r.batch.Accepted):len(r.batch.Accepted)]
	for i, s := range r.batch.Settlements {
		if slices.Contains(r.written.Stale, i) {
			left = append(left, s.Notices...)
		} else {
			taken = append(taken, s.Notices...)
		}
	}
	return taken, left
}

// merge makes one batch of all.
func merge(requests []*request) (b delivery.Batch) {
	for _, r := range requests {
		b.Accepted = append(b.Accepted, r.batch.Accepted...)
		b.Settlements = append(b.Settlements, r.batch.Settlements...)
		b.Changes = append(b.Changes, r.batch.Changes...)
	}
	return b
}

// split gives each request its part of what was written.
func split(written delivery.Written, requests []*request) {
	stale := map[int]bool{}
	for _, i := range written.Stale {
		stale[i] = true
	}
	settlement, change := 0, 0
	for _, r := range requests {
		r.written = delivery.Written{Waiting: map[mailaddr.DomainName]int{}}
		for i := range r.batch.Settlements {
			if stale[settlement+i] {
				r.written.Stale = append(r.written.Stale, i)
			}
		}
		settlement += len(r.batch.Settlements)
		if n := len(r.batch.Changes); n > 0 {
			r.written.Changed = written.Changed[change : change+n]
			r.written.Waiting = written.Waiting
			change += n
		}
	}
}
