package queue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a transport that does what a test tells it.
type peer struct {
	mu      sync.Mutex
	tries   []try
	active  map[mailaddr.DomainName]int
	peak    map[mailaddr.DomainName]int // the most at a time
	latency time.Duration
	dsn     bool                // takes over what senders want to hear of
	slow    mailaddr.DomainName // takes an hour
	answer  func(m *delivery.Message, recipient int) delivery.Outcome
	group   func(m *delivery.Message, recipients []int) [][]int
	// room says how many of the recipients it has room for, and until when it has
	// none for the others; nil has room for all.
	room func(recipients []int) (n int, until time.Time)
	// leaves says which of the recipients it leaves out; nil leaves out none.
	leaves func(recipients []int) []int
	host   func() string // the address of each attempt; nil: none
}

// try is one call of Deliver.
type try struct {
	id         delivery.MessageID
	recipients []int
	at         time.Time
}

func (p *peer) Deliver(ctx context.Context, m *delivery.Message, recipients []int) delivery.Attempt {
	to := m.Recipients[recipients[0]].Address.Domain
	p.mu.Lock()
	p.tries = append(p.tries, try{m.ID, recipients, time.Now()})
	p.active[to]++
	p.peak[to] = max(p.peak[to], p.active[to])
	latency := p.latency
	if to == p.slow {
		latency = time.Hour
	}
	p.mu.Unlock()
	// No timer for no time: under the race detector the runtime has crashed on
	// one that is over when a bubble first looks at it.
	if latency > 0 {
		sleep(ctx, latency)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active[to]--
	a := delivery.Attempt{Message: m.ID, At: time.Now(), Host: "mx." + to.String()}
	if p.room != nil {
		n, until := p.room(recipients)
		recipients, a.PostponedUntil = recipients[:n], until
	}
	if p.leaves != nil {
		a.LeftOut = p.leaves(recipients)
		recipients = without(recipients, a.LeftOut)
	}
	if p.host != nil {
		a.Hosts = []delivery.HostTry{{Address: p.host()}}
	}
	for _, i := range recipients {
		o := delivery.Outcome{Stage: delivery.StageTransfer, Code: 451, Enhanced: "4.3.2", Text: "stopped"}
		if ctx.Err() == nil {
			o = p.answer(m, i)
		}
		a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: o, DSN: p.dsn})
	}
	return a
}

func (p *peer) Group(m *delivery.Message, recipients []int) [][]int { return p.group(m, recipients) }

// byDomain groups recipients as delivery by MX does.
func byDomain(m *delivery.Message, recipients []int) (groups [][]int) {
	index := map[mailaddr.DomainName]int{}
	for _, i := range recipients {
		d := m.Recipients[i].Address.Domain
		if _, ok := index[d]; !ok {
			index[d] = len(groups)
			groups = append(groups, nil)
		}
		groups[index[d]] = append(groups[index[d]], i)
	}
	return groups
}

// of returns the tries of a message.
func (p *peer) of(id delivery.MessageID) (list []try) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tries {
		if t.id == id {
			list = append(list, t)
		}
	}
	return list
}

// count returns how many tries there were.
func (p *peer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tries)
}

// says makes the peer give all the same answer.
func (p *peer) says(o delivery.Outcome) { p.answers(func(int) delivery.Outcome { return o }) }

// answers makes the peer answer by recipient. Notices are always taken.
func (p *peer) answers(answer func(recipient int) delivery.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = func(m *delivery.Message, i int) delivery.Outcome {
		if m.Sender.IsNull() && m.Listener == "" {
			return taken
		}
		return answer(i)
	}
}

// The answers.
var (
	taken = delivery.Outcome{Status: delivery.Delivered, Stage: delivery.StageTransfer, Code: 250, Enhanced: "2.0.0", Text: "250 2.0.0 ok", Remote: true}
	later = delivery.Outcome{Stage: delivery.StageTransfer, Code: 450, Enhanced: "4.2.1", Text: "450 4.2.1 greylisted", Remote: true}
	never = delivery.Outcome{Status: delivery.Bounced, Stage: delivery.StageTransfer, Code: 550, Enhanced: "5.1.1", Text: "550 5.1.1 no such user", Remote: true}
	gone  = delivery.Outcome{Stage: delivery.StageConnect, Code: 451, Enhanced: "4.4.1", Text: "connection refused"}
	noTLS = delivery.Outcome{Stage: delivery.StageSTARTTLS, Code: 450, Enhanced: "4.7.4", Text: "TLS is required and was not offered"}
)

// rig is a queue with its surroundings, in a bubble of its own time.
type rig struct {
	*Queue
	t        *testing.T
	store    *memoryStore
	spool    *memorySpool
	peer     *peer
	ids      *delivery.IDSource
	wall     atomic.Int64 // by how much the wall clock is wrong
	snapshot atomic.Pointer[config.Snapshot]
	stop     func() error // ends Run and returns its error
}

// inBubble runs a test with a running queue.
func inBubble(t *testing.T, test func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.run()
		test(r)
		_ = r.stop() // those who care have looked
	})
}

func newRig(t *testing.T) *rig {
	r := &rig{
		t: t, store: newMemoryStore(), spool: &memorySpool{files: map[delivery.MessageID]*bytes.Buffer{}},
		peer: &peer{active: map[mailaddr.DomainName]int{}, peak: map[mailaddr.DomainName]int{}, group: byDomain},
		ids:  new(delivery.IDSource),
	}
	r.peer.says(taken)
	settings := policy.DefaultQueueSettings()
	r.snapshot.Store(&config.Snapshot{Revision: 5, Settings: policy.Settings{
		Queue: settings, Outbound: policy.OutboundSettings{HostName: "gateway.example"},
	}})
	return r
}

// settings changes the queue's settings.
func (r *rig) settings(change func(*policy.QueueSettings)) {
	next := *r.snapshot.Load()
	next.Revision++
	change(&next.Settings.Queue)
	r.snapshot.Store(&next)
}

// run starts a queue, the first or, after a stop, the next on the same store.
func (r *rig) run() {
	r.Queue = New(Dependencies{
		Store: r.store, Archive: r.store, Spooler: r.spool, Transport: r.peer, Snapshot: r.snapshot.Load,
		Logger: slog.New(slog.DiscardHandler), NewID: r.id,
		Now: func() time.Time { return time.Now().Add(time.Duration(r.wall.Load())) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Queue.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
}

func (r *rig) id() delivery.MessageID { return r.ids.Next(time.Now(), rand.Uint32()) }

// message makes a message that is received now.
func (r *rig) message(to ...string) *delivery.Message {
	r.t.Helper()
	body := "Subject: hello\r\n\r\ntext\r\n"
	m := &delivery.Message{
		Envelope: delivery.Envelope{
			ID: r.id(), Sender: mailbox(r.t, "anna@sender.example"), ReceivedAt: time.Now(), Size: int64(len(body)),
			Listener: "public",
		},
		Body: delivery.BytesBody(body),
	}
	for _, address := range to {
		m.Recipients = append(m.Recipients, delivery.Recipient{Address: mailbox(r.t, address)})
	}
	return m
}

func mailbox(t *testing.T, address string) (m mailaddr.Mailbox) {
	t.Helper()
	if err := m.UnmarshalText([]byte(address)); err != nil {
		t.Fatal(err)
	}
	return m
}

// enqueue enqueues a message that must be taken.
func (r *rig) enqueue(m *delivery.Message) delivery.MessageID {
	r.t.Helper()
	if err := r.Enqueue(context.Background(), m); err != nil {
		r.t.Fatal(err)
	}
	return m.ID
}

// send enqueues a new message and lets the queue do what it can at once.
func (r *rig) send(to ...string) delivery.MessageID {
	r.t.Helper()
	id := r.enqueue(r.message(to...))
	r.settle()
	return id
}

// wait lets time pass.
func (r *rig) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// settle lets the queue do what it can at once, and lets be written what waits
// for others to be written with.
func (r *rig) settle() { r.wait(100 * gatherTime) }

// wantStates fails the test unless the recipients of a message on disk have the
// states.
func (r *rig) wantStates(id delivery.MessageID, want ...string) {
	r.t.Helper()
	var got []string
	for _, recipient := range r.store.get(id).Recipients {
		got = append(got, recipient.State.String())
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("states are %v, want %v", got, want)
	}
}

// wantTries fails the test unless a message was tried so often.
func (r *rig) wantTries(id delivery.MessageID, want int) {
	r.t.Helper()
	if got := len(r.peer.of(id)); got != want {
		r.t.Errorf("message was tried %d times, want %d", got, want)
	}
}

// wantQuiet fails the test unless nothing is left in memory.
func (r *rig) wantQuiet() {
	r.t.Helper()
	s := r.Stats()
	if s.InMemory != 0 || s.BodyOctets != 0 || s.Active != 0 {
		r.t.Errorf("something is left in memory: %+v", s)
	}
}

func address(i int, domain string) string { return fmt.Sprintf("user%d@%s", i, domain) }
