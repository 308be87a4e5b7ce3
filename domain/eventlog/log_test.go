package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/eventlog/eventlogtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLog(t *testing.T, store *eventlogtest.Memory) *eventlog.Log {
	t.Helper()
	log, err := eventlog.NewLog(t.Context(), eventlog.Dependencies{
		Store: store, Bus: new(event.Bus), Now: time.Now, Failed: func(error) {},
		Retention: func() time.Duration { return time.Hour },
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func held(key string) eventlog.Event {
	return eventlog.New(eventlog.MessageHeld, eventlog.Subject{Kind: "message", Key: key}, time.Now(), nil)
}

func keysOf(p eventlog.Page) (keys []string) {
	for _, e := range p.Events {
		keys = append(keys, fmt.Sprint(e.Number, e.Subject.Key))
	}
	return keys
}

func TestAppendedEventsBecomeDurableAndWakeReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog(t, new(eventlogtest.Memory))
		go log.Run(t.Context())
		woken := make(chan error, 1)
		go func() { woken <- log.Wait(t.Context(), 1) }()
		log.Append(held("a"))
		time.Sleep(time.Second)
		select {
		case err := <-woken:
			t.Fatalf("woken by event 1: %v", err)
		default:
		}
		log.Append(held("b"))
		if err := <-woken; err != nil {
			t.Fatal(err)
		}
		page, err := log.Read(t.Context(), eventlog.Query{Limit: 10})
		if got := fmt.Sprint(keysOf(page)); err != nil || got != "[1a 2b]" {
			t.Errorf("%v %s", err, got)
		}
	})
}

// What others write in transactions of their own is found within a second.
func TestEventsOfOthersWakeReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(eventlogtest.Memory)
		log := newLog(t, store)
		go log.Run(t.Context())
		synctest.Wait()
		begun := time.Now()
		if err := store.Append(t.Context(), []eventlog.Event{held("a")}); err != nil {
			t.Fatal(err)
		}
		if err := log.Wait(t.Context(), 0); err != nil || time.Since(begun) > time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// A disk that fails delays events; of too many, the log says how many were lost,
// and after which.
func TestABrokenStoreLosesNothingInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(eventlogtest.Memory)
		log := newLog(t, store)
		go log.Run(t.Context())
		store.Break(errors.New("the disk is full"))
		for i := range 10_007 {
			log.Append(held(fmt.Sprint("-", i)))
		}
		time.Sleep(time.Minute)
		store.Break(nil)
		if err := log.Wait(t.Context(), 10_000); err != nil {
			t.Fatal(err)
		}
		log.Append(held("-after"))
		if err := log.Wait(t.Context(), 10_001); err != nil {
			t.Fatal(err)
		}
		page, err := log.Read(t.Context(), eventlog.Query{After: 9_999, Limit: 10})
		if err != nil || len(page.Events) != 3 {
			t.Fatalf("%v %v", err, keysOf(page))
		}
		if lost := page.Events[1]; lost.Type != eventlog.EventsLost || string(lost.Data) != `{"lost":7}` {
			t.Errorf("%s %s", lost.Type, lost.Data)
		}
		if got := fmt.Sprint(keysOf(page)); got != "[10000-9999 10001 10002-after]" || log.Dropped() != 7 {
			t.Errorf("%s, %d dropped", got, log.Dropped())
		}
	})
}

// The end of the process makes durable what was appended before it.
func TestFlush(t *testing.T) {
	store := new(eventlogtest.Memory)
	log := newLog(t, store)
	for i := range 1200 {
		log.Append(held(fmt.Sprint(i)))
	}
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := store.Newest(t.Context()); n != 1200 {
		t.Errorf("%d are stored", n)
	}
}

func TestReadersOfWhatIsGoneAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(eventlogtest.Memory)
		log := newLog(t, store)
		go log.Run(t.Context())
		for i := range 5 {
			log.Append(held(fmt.Sprint(i)))
		}
		time.Sleep(30 * time.Minute)
		log.Append(held("young"))
		time.Sleep(45 * time.Minute)
		for _, after := range []int64{0, 4, 7} {
			_, err := log.Read(t.Context(), eventlog.Query{After: after, Limit: 10})
			gone, ok := errors.AsType[*eventlog.GoneError](err)
			if !ok || gone.GoOn() != 5 {
				t.Errorf("after %d: %v", after, err)
			}
		}
		if page, err := log.Read(t.Context(), eventlog.Query{After: 5, Limit: 10}); err != nil || len(page.Events) != 1 {
			t.Errorf("%v %+v", err, page)
		}
	})
}

func TestParseTypes(t *testing.T) {
	for _, tc := range []struct {
		patterns []string
		want     int
	}{
		{nil, 0}, {[]string{"queue.*"}, 2}, {[]string{"queue.unhealthy", "queue.*"}, 2}, {[]string{"alert.opened", "job.finished"}, 2},
	} {
		if got, err := eventlog.ParseTypes(tc.patterns); err != nil || len(got) != tc.want {
			t.Errorf("%q: %v %v", tc.patterns, got, err)
		}
	}
	for _, bad := range []string{"", "*", "q*", "queue", "queue.", ".*", "message.read"} {
		if got, err := eventlog.ParseTypes([]string{bad}); domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: %v %v", bad, got, err)
		}
	}
	all := eventlog.Types()
	slices.Sort(all)
	if len(slices.Compact(all)) != len(eventlog.Types()) {
		t.Error("a type is listed twice")
	}
}
