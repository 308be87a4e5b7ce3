package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/queue"
)

// limitedStore takes everything and forgets it: these tests are about what is in
// memory.
type limitedStore struct{}

func (limitedStore) Write(context.Context, *delivery.Batch) (delivery.Written, error) {
	return delivery.Written{}, nil
}
func (limitedStore) Backlog(context.Context) ([]delivery.Backlog, error) { return nil, nil }
func (limitedStore) Waiting(context.Context, delivery.WaitingQuery) (delivery.WaitingPage, error) {
	return delivery.WaitingPage{}, nil
}
func (limitedStore) Overdue(context.Context, delivery.OverdueQuery) (delivery.WaitingPage, error) {
	return delivery.WaitingPage{}, nil
}
func (limitedStore) Probe(context.Context) error { return nil }
func (limitedStore) Select(context.Context, delivery.MessageFilter, delivery.MessageID, int) ([]delivery.MessageID, error) {
	return nil, nil
}
func (limitedStore) Prune(context.Context, time.Time) (bool, error) { return false, nil }

// limitedPeer notes when recipients were tried, and at how many at a time.
type limitedPeer struct {
	start  time.Time
	took   time.Duration
	answer func(n int, m *delivery.Message, recipients []int) delivery.Attempt

	mu          sync.Mutex
	tries       []string // "minute recipients"
	count       int
	active, max int
}

func (p *limitedPeer) Deliver(_ context.Context, m *delivery.Message, recipients []int) delivery.Attempt {
	p.mu.Lock()
	p.count++
	n := p.count
	p.active++
	p.max = max(p.max, p.active)
	p.tries = append(p.tries, fmt.Sprintf("%d:%d", int(time.Since(p.start).Minutes()), len(recipients)))
	p.mu.Unlock()
	time.Sleep(p.took) // the fake time of the bubble
	p.mu.Lock()
	p.active--
	p.mu.Unlock()
	a := delivery.Attempt{Message: m.ID, At: time.Now()}
	if p.answer != nil {
		return p.answer(n, m, recipients)
	}
	for _, i := range recipients {
		a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: delivery.Outcome{Status: delivery.Delivered, Stage: delivery.StageTransfer}})
	}
	return a
}

func (p *limitedPeer) Group(_ *delivery.Message, recipients []int) [][]int {
	return [][]int{recipients}
}

// snapshotOf is a configuration of one destination control for example.com.
func snapshotOf(t *testing.T, control policy.DestinationControl) *config.Snapshot {
	t.Helper()
	var err error
	if control.Pattern, err = mailaddr.ParseHostPattern("example.com"); err != nil {
		t.Fatal(err)
	}
	service, err := config.NewService(t.Context(), oneControl{control}, nil, nil, new(event.Bus), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return service.Snapshot()
}

type oneControl struct{ control policy.DestinationControl }

func (c oneControl) Load(_ context.Context, yield func(config.Item) error) (int64, error) {
	document, err := json.Marshal(c.control)
	if err != nil {
		return 0, err
	}
	return 1, yield(config.Item{Kind: config.KindDestinationControl, Key: "example.com", Document: document})
}
func (oneControl) Current(context.Context, []config.Ref) (map[config.Ref]config.Item, error) {
	return nil, nil
}
func (oneControl) Commit(context.Context, int64, config.Revision, []config.Item) error { return nil }
func (oneControl) Items(context.Context, config.Kind, string, int) ([]config.Item, error) {
	return nil, nil
}

// limitedRun is a queue in a bubble of fake time.
type limitedRun struct {
	*queue.Queue
	t        *testing.T
	peer     *limitedPeer
	ids      delivery.IDSource
	snapshot atomic.Pointer[config.Snapshot]
}

func runLimited(t *testing.T, control policy.DestinationControl, test func(*limitedRun)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &limitedRun{t: t, peer: &limitedPeer{start: time.Now()}}
		r.snapshot.Store(snapshotOf(t, control))
		r.Queue = queue.New(queue.Dependencies{
			Store: limitedStore{}, Archive: limitedStore{}, Transport: r.peer, Snapshot: r.snapshot.Load,
			Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			NewID: func() delivery.MessageID { return r.ids.Next(time.Now(), 0) },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait()
		test(r)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// send queues a message to recipients of the domains.
func (r *limitedRun) send(domains ...string) {
	r.t.Helper()
	m := &delivery.Message{Envelope: delivery.Envelope{ID: r.ids.Next(time.Now(), 0), ReceivedAt: time.Now()}, Body: delivery.BytesBody("x\r\n")}
	for i, domain := range domains {
		address, err := mailaddr.ParseMailbox(fmt.Sprintf("user%d@%s", i, domain))
		if err != nil {
			r.t.Fatal(err)
		}
		m.Recipients = append(m.Recipients, delivery.Recipient{Index: i, Address: address})
	}
	if err := r.Enqueue(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

// after waits and returns the tries so far.
func (r *limitedRun) after(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	r.peer.mu.Lock()
	defer r.peer.mu.Unlock()
	return slices.Clone(r.peer.tries)
}

func (r *limitedRun) want(d time.Duration, want ...string) {
	r.t.Helper()
	if got := r.after(d); !slices.Equal(got, want) {
		r.t.Errorf("after %s: tries %v, want %v", time.Since(r.peer.start), got, want)
	}
}

func rated(recipients, minutes int) policy.DestinationControl {
	return policy.DestinationControl{MaxConnections: 1, RecipientRate: &policy.RecipientRate{Recipients: recipients, Minutes: minutes}}
}

// TestRecipientRate is B21: so many recipients in so many minutes, whether they
// come in one message or in many; the rest waits and is not put off by a retry
// schedule.
func TestRecipientRate(t *testing.T) {
	runLimited(t, rated(3, 5), func(r *limitedRun) {
		r.send("example.com", "example.com")
		r.send("example.com", "example.com", "example.com", "example.com", "example.com")
		r.want(time.Minute, "0:2", "0:1")
		r.want(3*time.Minute, "0:2", "0:1")
		r.want(2*time.Minute, "0:2", "0:1", "5:3")
		r.want(5*time.Minute, "0:2", "0:1", "5:3", "10:1")
	})
}

// The rate holds although the lane ends between two messages.
func TestRecipientRateOutlivesTheLane(t *testing.T) {
	runLimited(t, rated(1, 5), func(r *limitedRun) {
		r.send("example.com")
		r.want(time.Minute, "0:1")
		if n := r.Stats().Destinations; n != 0 {
			t.Fatalf("%d destinations have mail", n)
		}
		r.send("example.com")
		r.want(time.Minute, "0:1")
		r.want(4*time.Minute, "0:1", "5:1")
	})
}

// Recipients of a limited destination do not ride along with others.
func TestRecipientRateHoldsForCompanions(t *testing.T) {
	runLimited(t, rated(1, 5), func(r *limitedRun) {
		for range 3 {
			r.send("other.example", "example.com")
		}
		got := r.after(time.Minute)
		if total := len(got); total != 4 {
			t.Errorf("tries %v, want three for the other destination and one for the limited one", got)
		}
	})
}

// A higher rate takes effect before the minutes are over.
func TestRecipientRateFollowsTheConfiguration(t *testing.T) {
	runLimited(t, rated(1, 60), func(r *limitedRun) {
		r.send("example.com", "example.com", "example.com")
		r.want(time.Minute, "0:1")
		r.snapshot.Store(snapshotOf(t, rated(100, 60)))
		r.want(time.Minute, "0:1", "1:2")
	})
}

// What the transport had no room for is tried again when there is, and does not
// count as a try.
func TestPostponedRecipientsComeBack(t *testing.T) {
	control := policy.DestinationControl{MaxConnections: 1, LimitPer: policy.LimitPerMXAddress}
	runLimited(t, control, func(r *limitedRun) {
		r.peer.answer = func(n int, m *delivery.Message, recipients []int) delivery.Attempt {
			a := delivery.Attempt{Message: m.ID, At: time.Now()}
			if n == 1 { // one goes, the others wait for two minutes
				a.PostponedUntil = time.Now().Add(2 * time.Minute)
				recipients = recipients[:1]
			}
			for _, i := range recipients {
				a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: delivery.Outcome{Status: delivery.Delivered, Stage: delivery.StageTransfer}})
			}
			return a
		}
		r.send("example.com", "example.com", "example.com")
		r.send("example.com")
		r.want(time.Minute, "0:3")
		if got := r.after(2 * time.Minute); len(got) != 3 || got[1] == "0:1" {
			t.Errorf("tries %v, want the rest of the first and the second message after the pause", got)
		}
		if s := r.Stats(); s.Delivered != 4 || s.Deferred != 0 {
			t.Errorf("%d delivered, %d deferred", s.Delivered, s.Deferred)
		}
	})
}

// Per MX address, as many deliveries run as there are addresses with room.
func TestConnectionsPerAddressWidenTheLane(t *testing.T) {
	control := policy.DestinationControl{MaxConnections: 2, LimitPer: policy.LimitPerMXAddress}
	runLimited(t, control, func(r *limitedRun) {
		r.peer.took = time.Second
		var turn atomic.Int64
		r.peer.answer = func(_ int, m *delivery.Message, recipients []int) delivery.Attempt {
			a := delivery.Attempt{Message: m.ID, At: time.Now()}
			a.Hosts = []delivery.HostTry{{Address: fmt.Sprintf("192.0.2.%d:25", turn.Add(1)%3)}}
			for _, i := range recipients {
				a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: delivery.Outcome{Status: delivery.Delivered, Stage: delivery.StageTransfer}})
			}
			return a
		}
		for range 60 {
			r.send("example.com")
		}
		r.after(time.Minute)
		if r.peer.max != 6 || r.peer.count != 60 {
			t.Errorf("%d at a time in %d deliveries, want 6 (two to each of three addresses)", r.peer.max, r.peer.count)
		}
	})
}
