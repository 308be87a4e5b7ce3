package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal takes events and writes down what it is told.
type journal struct {
	mu   sync.Mutex
	open map[string]bool
	told []string
	// hold, where it is set, is waited for by Raise.
	hold chan struct{}
}

func newJournal(open ...string) *journal {
	j := &journal{open: map[string]bool{}}
	for _, key := range open {
		j.open[key] = true
	}
	return j
}

func (j *journal) Raise(_ context.Context, e alert.Event) error {
	if j.hold != nil {
		<-j.hold
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told = append(j.told, fmt.Sprintf("raise %s %d", e.Key(), e.Count))
	j.open[e.Key()] = true
	return nil
}

func (j *journal) Resolve(_ context.Context, key, _ string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told = append(j.told, "resolve "+key)
	delete(j.open, key)
	return nil
}

func (j *journal) IsOpen(key string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open[key]
}

func (j *journal) OpenKeys(k alert.Kind) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var keys []string
	for key := range j.open {
		if strings.HasPrefix(key, string(k)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// want takes what was told since the last call, and compares.
func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if diff := cmp.Diff(want, j.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	j.told = nil
}

// running runs a loop in a bubble until the function returns.
func running(t *testing.T, loop func(context.Context), do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		loop(ctx)
		close(ended)
	}()
	do()
	cancel()
	<-ended
}

func settlement(to mailaddr.DomainName, o delivery.Outcome) (*delivery.Message, *delivery.Settlement) {
	m := &delivery.Message{Recipients: []delivery.Recipient{{Address: mailaddr.Mailbox{Local: "a", Domain: to}}}}
	return m, &delivery.Settlement{
		Attempt:  delivery.Attempt{Decision: policy.Decision{Level: policy.TLSRequired}},
		Progress: []delivery.Progress{{Last: o}},
	}
}

var (
	failed    = delivery.Outcome{Status: delivery.Deferred, Code: 450, Enhanced: "4.7.4"}
	delivered = delivery.Outcome{Status: delivery.Delivered, Code: 250}
)

func TestDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		d := NewDeliveries(j, slog.New(slog.DiscardHandler))
		running(t, d.Run, func() {
			d.Settled(settlement("good.example", delivered)) // says nothing
			d.Settled(settlement("example.com", failed))
			synctest.Wait()
			j.want(t, "raise tls_failed:example.com 1")
			for range 100 {
				d.Settled(settlement("example.com", failed))
			}
			time.Sleep(2 * settle)
			j.want(t, "raise tls_failed:example.com 100")
			d.Settled(settlement("example.com", delivered))
			time.Sleep(2 * settle)
			j.want(t, "resolve tls_failed:example.com")
			d.Settled(settlement("example.com", delivered))
			time.Sleep(2 * settle)
			j.want(t)
		})
	})
}

// Whatever the order in which failure and success fall into one round of work,
// the last one counts.
func TestLastFindingCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		d := NewDeliveries(j, slog.New(slog.DiscardHandler))
		d.Settled(settlement("a.example", failed))
		d.Settled(settlement("a.example", delivered))
		d.Settled(settlement("b.example", failed))
		d.Settled(settlement("b.example", delivered))
		d.Settled(settlement("b.example", failed))
		running(t, d.Run, func() { time.Sleep(2 * settle) })
		slices.Sort(j.told)
		j.want(t, "raise tls_failed:a.example 1", "raise tls_failed:b.example 2", "resolve tls_failed:a.example")
	})
}

// A success that comes while the failure before it is being raised is not lost.
func TestSuccessDuringTheRaiseIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		j.hold = make(chan struct{})
		d := NewDeliveries(j, slog.New(slog.DiscardHandler))
		running(t, d.Run, func() {
			d.Settled(settlement("example.com", failed))
			synctest.Wait()
			d.Settled(settlement("example.com", delivered))
			close(j.hold)
			time.Sleep(2 * settle)
			j.want(t, "raise tls_failed:example.com 1", "resolve tls_failed:example.com")
		})
	})
}

// Nobody waits for the alerts, and what is kept of them is bounded.
func TestSettledNeverWaits(t *testing.T) {
	d := NewDeliveries(newJournal(), slog.New(slog.DiscardHandler))
	for i := range maxPending + 10 {
		d.Settled(settlement(mailaddr.DomainName(fmt.Sprintf("d%d.example", i)), failed))
	}
	if d.Dropped() != 10 {
		t.Errorf("%d dropped", d.Dropped())
	}
}

func TestConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var status config.Status
		var spool, store error
		set := func(do func()) {
			mu.Lock()
			defer mu.Unlock()
			do()
		}
		soon := certificate.Certificate{ID: "7", NotAfter: time.Now().Add(5 * 24 * time.Hour)}
		bus, j := new(event.Bus), newJournal("revision_not_applied:listener gone", "tls_failed:example.com")
		c := NewConditions(j, bus, slog.New(slog.DiscardHandler),
			NotApplied(func() config.Status { mu.Lock(); defer mu.Unlock(); return status }),
			Spool(func() error { mu.Lock(); defer mu.Unlock(); return spool }),
			Expiry(func(context.Context) ([]certificate.Certificate, error) {
				mu.Lock()
				defer mu.Unlock()
				return []certificate.Certificate{soon}, store
			}, time.Now),
		)
		running(t, c.Run, func() {
			synctest.Wait()
			j.want(t, "resolve revision_not_applied:listener gone", "raise certificate_expiry:7:7 0")
			set(func() { status.Problems = []config.Problem{{Part: "listener inbound", Detail: "the port is taken"}} })
			bus.Publish(event.ConfigurationStuck)
			synctest.Wait()
			j.want(t, "raise revision_not_applied:listener inbound 0", "raise certificate_expiry:7:7 0")
			set(func() {
				status.Problems, spool = nil, errors.New("the disk is full")
				soon.NotAfter = time.Now().AddDate(1, 0, 0)
			})
			time.Sleep(lookInterval + time.Second)
			j.want(t, "resolve revision_not_applied:listener inbound", "raise spool_unhealthy 0", "resolve certificate_expiry:7:7")
			// What cannot be looked at stays as it is.
			set(func() { spool, store = nil, errors.New("no certificates can be read") })
			j.mu.Lock()
			j.open["certificate_expiry:8:1"] = true
			j.mu.Unlock()
			time.Sleep(lookInterval)
			j.want(t, "resolve spool_unhealthy")
		})
	})
}

func TestTidyGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		tidy := func(context.Context) error { calls++; return errors.New("the disk is full") }
		running(t, func(ctx context.Context) { Tidy(ctx, tidy, slog.New(slog.DiscardHandler)) }, func() {
			time.Sleep(2*tidyInterval + time.Second)
		})
		if calls != 3 {
			t.Errorf("%d calls", calls)
		}
	})
}
