package persistence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/eventlog"
	"postern/domain/job"
)

func jobEvent(key string, at time.Time) eventlog.Event {
	return eventlog.New(eventlog.JobFinished, eventlog.Subject{Kind: "job", Key: key}, at, map[string]any{"n": 1})
}

func readEvents(t *testing.T, s *EventStore, q eventlog.Query) eventlog.Page {
	t.Helper()
	page, err := s.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// Many write at once, within transactions of their own and through the log; one
// who follows by number sees each event once, in order, with no number left out.
func TestAFollowerMissesNothingUnderConcurrentWriters(t *testing.T) {
	const writers, each = 8, 40
	d := openTest(t, t.TempDir())
	events := d.Events()
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				var err error
				if key := fmt.Sprint(w, "-", i); w%2 == 0 {
					err = events.Append(t.Context(), []eventlog.Event{jobEvent(key, time.Now())})
				} else {
					j := job.Job{ID: key, State: job.Succeeded, FinishedAt: new(time.Now())}
					err = d.Jobs().Save(t.Context(), j)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := map[string]bool{}
	for after := int64(0); after < writers*each && ctx.Err() == nil; {
		for _, e := range readEvents(t, events, eventlog.Query{After: after, Limit: 7}).Events {
			if e.Number != after+1 || seen[e.Subject.Key] {
				t.Fatalf("after %d came %d %s", after, e.Number, e.Subject.Key)
			}
			after, seen[e.Subject.Key] = e.Number, true
		}
	}
	writing.Wait()
	if len(seen) != writers*each {
		t.Errorf("%d events", len(seen))
	}
}

func TestEventsSurviveARestartAndNumbersGoOn(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Events().Append(t.Context(), []eventlog.Event{jobEvent("a", at), jobEvent("b", at)}); err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = d.Events().Prune(t.Context(), at.Add(time.Hour), 100); err != nil {
			t.Fatal(err)
		}
	}
	closeTest(t, d)
	events := openTest(t, dir).Events()
	if page := readEvents(t, events, eventlog.Query{Limit: 9}); page.Oldest != 3 || page.Newest != 2 {
		t.Errorf("%+v", page)
	}
	if err := events.Append(t.Context(), []eventlog.Event{jobEvent("c", at)}); err != nil {
		t.Fatal(err)
	}
	want := jobEvent("c", at)
	want.Number = 3
	if diff := cmp.Diff([]eventlog.Event{want}, readEvents(t, events, eventlog.Query{After: 2, Limit: 9}).Events); diff != "" {
		t.Error(diff)
	}
}

func TestEventsArePrunedInSmallSteps(t *testing.T) {
	events := openTest(t, t.TempDir()).Events()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	var batch []eventlog.Event
	for i := range 2500 {
		batch = append(batch, jobEvent(fmt.Sprint(i), at.Add(time.Duration(i)*time.Second)))
	}
	if err := events.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		before time.Time
		keep   int64
		more   bool
		oldest int64
	}{
		{at.Add(1200 * time.Second), 2500, true, 1001}, // those numbered up to 1200 are too old
		{at.Add(1200 * time.Second), 2500, false, 1201},
		{at, 300, false, 2201},
		{at, 300, false, 2201},
	} {
		more, err := events.Prune(t.Context(), step.before, step.keep)
		if oldest := readEvents(t, events, eventlog.Query{Limit: 1}).Oldest; err != nil || more != step.more || oldest != step.oldest {
			t.Errorf("%+v: %v, more %v, oldest %d", step, err, more, oldest)
		}
	}
	if page := readEvents(t, events, eventlog.Query{Limit: 9999}); len(page.Events) != 300 || page.Events[0].Number != 2201 {
		t.Errorf("%d left", len(page.Events))
	}
}

// A revision and its event are one: neither is there without the other.
func TestARevisionIsAnEventOfTheSameTransaction(t *testing.T) {
	d := openTest(t, t.TempDir())
	r := config.Revision{Number: 1, Author: "anna", Comment: "first", At: time.Now(), Edits: []config.RecordedEdit{{Kind: "route", Key: "a.example", After: []byte(`{}`)}}}
	if err := d.Configuration().Commit(t.Context(), 0, r, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Configuration().Commit(t.Context(), 0, r, nil); err == nil {
		t.Fatal("a stale revision was committed")
	}
	page := readEvents(t, d.Events(), eventlog.Query{Limit: 9})
	if len(page.Events) != 1 || page.Newest != 1 {
		t.Fatalf("%+v", page)
	}
	want := `{"author":"anna","changes":1,"comment":"first","items":[{"change":"created","key":"a.example","kind":"route"}]}`
	if e := page.Events[0]; e.Type != eventlog.ConfigurationCommitted || e.Subject.Key != "1" || string(e.Data) != want {
		t.Errorf("%+v %s", e, e.Data)
	}
}

// However often the end of a job is stored, it is one event.
func TestTheEndOfAJobIsOneEvent(t *testing.T) {
	d := openTest(t, t.TempDir())
	j := job.Job{ID: "1", State: job.Running}
	for range 2 {
		for range 2 {
			if err := d.Jobs().Save(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		j.State, j.FinishedAt = job.Succeeded, new(time.Now())
	}
	if page := readEvents(t, d.Events(), eventlog.Query{Types: []eventlog.Type{eventlog.JobFinished}, Limit: 9}); len(page.Events) != 1 {
		t.Errorf("%+v", page.Events)
	}
}
