package queue

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// Dependencies are what a queue works with.
type Dependencies struct {
	Store     Store
	Archive   Archive
	Spooler   Spooler
	Transport Transport
	Snapshot  func() *config.Snapshot // the newest one
	Logger    *slog.Logger            // the mail log
	Now       func() time.Time
	// NewID makes ids of messages and attempts, never the same one twice.
	NewID func() delivery.MessageID
	// Grace is how long deliveries under way may go on when the queue stops; 0
	// stands for 20 seconds.
	Grace time.Duration
	// Observers are told of settlements, one after the other; there may be none.
	Observers []Observer
}

const defaultGrace = 20 * time.Second

// bodyMemory bounds what all bodies take in memory, in octets.
const bodyMemory = 32 << 20

// Queue takes responsibility for messages and delivers them.
type Queue struct {
	deps      Dependencies
	budget    *budget
	clock     *clock
	health    *health
	commit    *committer
	scheduler *scheduler
}

// New returns a queue that does nothing until it runs.
func New(deps Dependencies) *Queue {
	q := &Queue{
		deps:   deps,
		budget: &budget{limit: bodyMemory},
		clock:  newClock(deps.Now),
		health: &health{store: deps.Store, logger: deps.Logger, look: make(chan struct{}, 1)},
	}
	q.scheduler = newScheduler(deps, q.budget, q.clock)
	q.commit = newCommitter(deps.Store, q.scheduler, q.health)
	q.scheduler.commit = q.commit
	return q
}

func newScheduler(deps Dependencies, b *budget, c *clock) *scheduler {
	s := &scheduler{
		store: deps.Store, transport: deps.Transport, snapshot: deps.Snapshot,
		clock: c, newID: deps.NewID, logger: deps.Logger, budget: b, observers: deps.Observers,
		notices: &notices{snapshot: deps.Snapshot, clock: c, now: deps.Now, newID: deps.NewID, logger: deps.Logger},
		lanes:   map[mailaddr.DomainName]*lane{},
		entries: map[delivery.MessageID]*entry{},
		alarm:   make(chan struct{}, 1),
		sweeps:  make(chan struct{}, maxSweeps),
		paces:   paces{},
		frozen:  frozen{messages: map[delivery.MessageID]int{}, met: map[mailaddr.DomainName]struct{}{}},
	}
	s.stopped = sync.NewCond(&s.mu)
	return s
}

// NewBody returns a writer for the body of the message with the id. The body
// that it finishes with is meant for Enqueue.
func (q *Queue) NewBody(id delivery.MessageID) delivery.BodyWriter {
	return &BodyWriter{id: id, spool: q.deps.Spooler, budget: q.budget, health: q.health}
}

// Enqueue makes a message durable and returns nil once it is (B74). Its
// recipients are tried at once, unless it is held. The message belongs to the
// queue from the call on. An error of kind Unavailable means that the message
// could not be stored: the client is to try again.
func (q *Queue) Enqueue(ctx context.Context, m *delivery.Message) error {
	now := q.clock.Now().Truncate(time.Microsecond)
	for i := range m.Recipients {
		m.Recipients[i].Index, m.Recipients[i].NextAttempt = i, now
	}
	id := m.ID
	// B77: the room that is left is for settling what is there.
	if err := q.Accepting(); err != nil {
		dropBody(m)
		return domain.Wrap(err, "store message %s", id)
	}
	q.health.stored(m.Body.Size())
	if _, err := q.commit.write(ctx, delivery.Batch{Accepted: []*delivery.Message{m}}); err != nil {
		dropBody(m)
		return domain.Wrap(err, "store message %s", id)
	}
	return nil
}

// Accepting returns nil while messages can be stored, else why not (B77).
func (q *Queue) Accepting() error { return q.health.Accepting() }

// Stats returns how the queue stands.
func (q *Queue) Stats() Stats { return q.scheduler.stats() }

// Run delivers until the context ends. Then it starts no more deliveries, lets
// those under way finish for as long as the grace allows, and settles them. It
// returns an error where some had to be cut off: they will be repeated.
func (q *Queue) Run(ctx context.Context) error {
	deliveries, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	q.scheduler.deliveries = deliveries
	if q.load(ctx) != nil {
		close(q.commit.ended)
		return nil // told to stop before it began
	}
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){q.health.run, q.scheduler.run, q.keepHouse} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Go(q.commit.run)
	<-ctx.Done()
	err := q.scheduler.stop(cmp.Or(q.deps.Grace, defaultGrace), cut)
	close(q.commit.stop)
	loops.Wait()
	return err
}

// load finds out what waits on disk. A disk that cannot be read is tried again:
// no message is accepted meanwhile.
func (q *Queue) load(ctx context.Context) error {
	for {
		backlog, err := q.deps.Store.Backlog(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		q.health.set(err)
		if err == nil {
			q.scheduler.count(backlog)
			q.scheduler.load(backlog)
			return nil
		}
		sleep(ctx, recoveryInterval)
	}
}

// How often old history is looked for, and how long to let others write between
// two steps of forgetting it.
const (
	houseInterval = time.Hour
	prunePause    = 50 * time.Millisecond
)

// keepHouse forgets old history, and looks for mail on disk that was lost sight
// of: events are hints, state is the truth.
func (q *Queue) keepHouse(ctx context.Context) {
	for {
		if err := q.prune(ctx); err != nil && ctx.Err() == nil {
			q.deps.Logger.Error("history not pruned", slog.Any("error", err))
		}
		if !sleep(ctx, houseInterval) {
			return
		}
		if backlog, err := q.deps.Store.Backlog(ctx); err == nil {
			q.scheduler.load(backlog)
		}
	}
}

func (q *Queue) prune(ctx context.Context) error {
	for {
		keep := time.Duration(q.deps.Snapshot().Settings.Queue.HistorySeconds) * time.Second
		more, err := q.deps.Archive.Prune(ctx, q.clock.Now().Add(-keep))
		if err != nil || !more || !sleep(ctx, prunePause) {
			return err
		}
	}
}
