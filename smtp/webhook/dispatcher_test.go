package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/eventlog/eventlogtest"
	"postern/domain/policy"
	"postern/domain/webhook"
	"postern/domain/webhook/webhooktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver answers as it is told, and remembers what it took.
type receiver struct {
	mu     sync.Mutex
	status func(number int64) int // 0: it cannot be reached
	tries  []time.Time
	ids    []string
	taken  []int64
}

func (r *receiver) Post(_ context.Context, _ string, header http.Header, body []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return 0, err
	}
	r.tries, r.ids = append(r.tries, time.Now()), append(r.ids, header.Get("webhook-id"))
	status := 204
	if r.status != nil {
		status = r.status(m.Number)
	}
	if status == 0 {
		return 0, errors.New("connection refused")
	}
	err := judge(status)
	if err == nil {
		r.taken = append(r.taken, m.Number)
	}
	return status, err
}

func (r *receiver) answer(status func(int64) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// posted returns the ids and times of all tries.
func (r *receiver) posted() ([]string, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids), slices.Clone(r.tries)
}

func (r *receiver) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.taken)
}

// alarms keeps the keys of open alerts.
type alarms struct {
	mu   sync.Mutex
	open map[string]string
}

func (a *alarms) Raise(_ context.Context, e alert.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[e.Key()] = e.Detail
	return nil
}

func (a *alarms) Resolve(_ context.Context, key, _ string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, key)
	return nil
}

func (a *alarms) IsOpen(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, open := a.open[key]
	return open
}

type oneSecret struct{}

func (oneSecret) Put(context.Context, string) (string, error) { return "", errors.New("not here") }

func (oneSecret) Get(context.Context, string) (string, error) {
	return "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", nil
}

// rig is a dispatcher in a bubble of synctest.
type rig struct {
	*Dispatcher
	t        *testing.T
	receiver *receiver
	alarms   *alarms
	events   *eventlogtest.Memory
	store    *webhooktest.Memory
	bus      *event.Bus
	current  atomic.Pointer[config.Snapshot]
	end      context.CancelFunc
	ended    chan struct{}
}

func hookOf(types ...string) policy.Webhook {
	return policy.Webhook{Name: "a", URL: "https://hooks.example.com/", Types: types, SecretID: "1", Enabled: true}
}

func newRig(t *testing.T, hooks ...policy.Webhook) *rig {
	r := &rig{
		t: t, receiver: new(receiver), alarms: &alarms{open: map[string]string{}}, events: new(eventlogtest.Memory),
		store: new(webhooktest.Memory), bus: new(event.Bus),
	}
	r.configure(hooks...)
	r.run()
	return r
}

// configure makes the hooks those of the configuration.
func (r *rig) configure(hooks ...policy.Webhook) {
	r.t.Helper()
	var edits []config.Edit
	for _, h := range hooks {
		edits = append(edits, config.Edit{Kind: config.KindWebhook, Key: h.Name, Value: h})
	}
	s, err := config.Compile(edits...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.current.Store(s)
	r.bus.Publish(event.ConfigurationChanged)
	synctest.Wait()
}

// run starts dispatcher and log, on what the stores have.
func (r *rig) run() {
	r.t.Helper()
	log, err := eventlog.NewLog(r.t.Context(), eventlog.Dependencies{
		Store: r.events, Bus: r.bus, Now: time.Now, Failed: func(error) {},
		Retention: func() time.Duration { return 36 * time.Hour },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Dispatcher = NewDispatcher(Dependencies{
		Log: log, Store: r.store, Snapshot: r.current.Load, Secrets: oneSecret{}, Poster: r.receiver, Alerts: r.alarms, Bus: r.bus,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Spread: func(d time.Duration) time.Duration { return d },
		Count: func(string) {},
	})
	ctx, end := context.WithCancel(r.t.Context())
	r.end, r.ended = end, make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { log.Run(ctx) })
	all.Go(func() { r.Run(ctx) })
	go func() {
		all.Wait()
		close(r.ended)
	}()
	synctest.Wait()
}

func (r *rig) stop() {
	r.end()
	<-r.ended
}

// happen writes events and gives the dispatcher time for one try of each.
func (r *rig) happen(types ...eventlog.Type) {
	r.t.Helper()
	for _, t := range types {
		if err := r.events.Append(r.t.Context(), []eventlog.Event{eventlog.New(t, eventlog.Subject{Kind: "test"}, time.Now(), nil)}); err != nil {
			r.t.Fatal(err)
		}
	}
	time.Sleep(2 * time.Second)
}

func (r *rig) want(taken string) {
	r.t.Helper()
	synctest.Wait()
	if got := r.receiver.got(); got != taken {
		r.t.Errorf("taken: %s, want %s", got, taken)
	}
}

func TestEventsArriveInOrderFromTheBeginningOfTheWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.happen(eventlog.JobFinished)
		r.configure(hookOf("job.*"))
		r.happen(eventlog.JobFinished, eventlog.MessageHeld, eventlog.JobFinished)
		r.want("[2 4]")
		r.stop()
	})
}

// A stop, a kill and a restart lose nothing: the position is stored.
func TestARestartGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.happen(eventlog.JobFinished, eventlog.JobFinished)
		r.stop()
		r.happen(eventlog.JobFinished, eventlog.JobFinished)
		r.run()
		time.Sleep(time.Second)
		r.want("[1 2 3 4]")
		r.stop()
	})
}

func TestAReceiverOutOfReachIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.receiver.answer(func(int64) int { return 0 })
		r.happen(eventlog.JobFinished, eventlog.MessageHeld)
		time.Sleep(5 * time.Hour)
		if !r.alarms.IsOpen("webhook_failing:a") {
			t.Error("nobody was told")
		}
		state, err := r.State(t.Context(), "a")
		if err != nil || state.Position != 0 || state.FailingSince == nil || state.NextTry == nil {
			t.Errorf("%v %+v", err, state)
		}
		ids, tries := r.receiver.posted()
		var pauses []time.Duration
		for i := 1; i < 8; i++ {
			pauses = append(pauses, tries[i].Sub(tries[i-1]))
		}
		want := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, time.Hour}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v", pauses)
		}
		if ids = slices.Compact(ids); len(ids) != 1 {
			t.Errorf("one event has the ids %q", ids)
		}
		r.stop() // a restart keeps to the schedule
		_, before := r.receiver.posted()
		r.run()
		if _, after := r.receiver.posted(); len(after) != len(before) {
			t.Errorf("%d tries at once after the restart", len(after)-len(before))
		}
		r.receiver.answer(nil)
		time.Sleep(time.Hour)
		r.want("[1 2]")
		if r.alarms.IsOpen("webhook_failing:a") {
			t.Error("the alert is not resolved")
		}
		r.stop()
	})
}

// An event that is refused holds the others up for six tries, and no more.
func TestARefusedEventIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.receiver.answer(func(n int64) int { return map[bool]int{true: 400, false: 200}[n == 2] })
		r.happen(eventlog.JobFinished, eventlog.MessageHeld, eventlog.JobFinished)
		time.Sleep(time.Hour)
		r.want("[1 3]")
		failed, err := r.Deliveries(t.Context(), webhook.Query{Webhook: "a", Limit: 9, Outcome: webhook.Failed})
		if err != nil || len(failed) != 1 || failed[0].Event != 2 || len(failed[0].Attempts) != webhook.Refusals || failed[0].Attempts[0].Status != 400 {
			t.Errorf("%v %+v", err, failed)
		}
		r.receiver.answer(nil)
		again, err := r.ReplayOne(t.Context(), "a", 2)
		if err != nil || again.Outcome != webhook.Delivered || len(again.Attempts) != webhook.Refusals+1 {
			t.Errorf("%v %+v", err, again)
		}
		r.want("[1 3 2]")
		if _, err := r.ReplayOne(t.Context(), "a", 9); domain.KindOf(err) != domain.NotFound {
			t.Error(err)
		}
		r.stop()
	})
}

// After a long outage the first refusal of an event does not give it up.
func TestRefusalsAreCountedForEachEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.receiver.answer(func(int64) int { return 503 })
		r.happen(eventlog.JobFinished)
		time.Sleep(24 * time.Hour)
		r.receiver.answer(func(int64) int { return 404 })
		time.Sleep(2 * time.Hour)
		r.receiver.answer(nil)
		time.Sleep(2 * time.Hour)
		r.want("[1]")
		r.stop()
	})
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.happen(eventlog.JobFinished, eventlog.JobFinished, eventlog.JobFinished)
		first, _ := r.receiver.posted()
		if _, err := r.Replay(t.Context(), "a", 1); err != nil {
			t.Fatal(err)
		}
		r.want("[1 2 3 2 3]")
		if all, _ := r.receiver.posted(); !slices.Equal(all[3:], first[1:]) {
			t.Errorf("ids %q, then %q", first, all)
		}
		if _, err := r.Replay(t.Context(), "a", 99); err == nil {
			t.Error("went on behind what there is not")
		}
		if _, err := r.Replay(t.Context(), "b", 1); domain.KindOf(err) != domain.NotFound {
			t.Error(err)
		}
		r.stop()
	})
}

// What was forgotten before it could be posted is no secret.
func TestMissedEventsRaiseAnAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.receiver.answer(func(int64) int { return 500 })
		r.happen(eventlog.JobFinished)
		time.Sleep(40 * time.Hour)
		if !r.alarms.IsOpen("webhook_failing:a") {
			t.Error("nobody was told")
		}
		r.receiver.answer(nil)
		r.happen(eventlog.JobFinished)
		time.Sleep(2 * time.Hour)
		r.want("[2]")
		r.stop()
	})
}

func TestATestIsNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		h := hookOf()
		h.Enabled = false
		r.configure(h)
		if attempt, err := r.Test(t.Context(), "a"); err != nil || attempt.Status != 204 || attempt.Error != "" {
			t.Errorf("%v %+v", err, attempt)
		}
		if _, err := r.Test(t.Context(), "b"); domain.KindOf(err) != domain.NotFound {
			t.Error(err)
		}
		r.stop()
	})
}

// Another webhook of the same name begins anew.
func TestADeletedWebhookIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hookOf())
		r.happen(eventlog.JobFinished)
		r.configure()
		if _, err := r.store.State(t.Context(), "a"); domain.KindOf(err) != domain.NotFound {
			t.Error(err)
		}
		r.stop()
	})
}
