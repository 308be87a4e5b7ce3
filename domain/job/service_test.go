package job_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/job"
	"postern/domain/job/jobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	*job.Service
	store *jobtest.Memory
	ended chan job.Job
}

func newFixture(t *testing.T, store *jobtest.Memory) *fixture {
	t.Helper()
	f := &fixture{store: store, ended: make(chan job.Job, 100)}
	var ids atomic.Int64
	var err error
	f.Service, err = job.NewService(t.Context(), job.Dependencies{
		Store: store, Now: time.Now, Ended: func(j job.Job, _ error) { f.ended <- j },
		NewID: func() string { return fmt.Sprintf("%03d", ids.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) start(t *testing.T, work job.Work) job.Job {
	t.Helper()
	j, err := f.Start(t.Context(), job.Order{Kind: "test", Author: "anna", Work: work})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (f *fixture) stored(t *testing.T, id string) job.Job {
	t.Helper()
	j, err := f.store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func untilCancelled(ctx context.Context, _ *job.Progress) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAJobIsStoredBeforeItIsAnnounced(t *testing.T) {
	store := new(jobtest.Memory)
	f := newFixture(t, store)
	if j := f.start(t, untilCancelled); f.stored(t, j.ID).Author != "anna" {
		t.Error("not stored")
	}
	store.Break(domain.E(domain.Unavailable, "the disk is full"))
	if _, err := f.Start(t.Context(), job.Order{Kind: "test", Author: "anna", Work: untilCancelled}); domain.KindOf(err) != domain.Unavailable {
		t.Errorf("%v", err)
	}
	store.Break(nil)
	if err := f.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStates(t *testing.T) {
	for want, work := range map[job.State]job.Work{
		job.Succeeded: func(context.Context, *job.Progress) (any, error) { return "good", nil },
		job.Failed:    func(context.Context, *job.Progress) (any, error) { panic("a fault of ours") },
	} {
		f := newFixture(t, new(jobtest.Memory))
		j, err := f.Wait(t.Context(), f.start(t, work).ID)
		if err != nil || j.State != want || f.stored(t, j.ID).State != want {
			t.Errorf("%v %+v", err, j)
		}
		if j.Problem != nil && strings.Contains(j.Problem.Detail, "fault of ours") {
			t.Errorf("the cause is shown: %+v", j.Problem)
		}
		if ended := <-f.ended; ended.State != want {
			t.Errorf("ended as %s", ended.State)
		}
	}
}

// Work that was done although somebody cancelled it has succeeded.
func TestCancelledTooLate(t *testing.T) {
	f := newFixture(t, new(jobtest.Memory))
	begun := make(chan struct{})
	j := f.start(t, func(ctx context.Context, _ *job.Progress) (any, error) {
		close(begun)
		<-ctx.Done()
		return 7, nil
	})
	<-begun
	if _, err := f.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if j, _ := f.Wait(t.Context(), j.ID); j.State != job.Succeeded {
		t.Errorf("%+v", j)
	}
}

func TestTooManyJobsAreRefusedAndTheOthersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(jobtest.Memory))
		var running, most atomic.Int64
		release := make(chan struct{})
		var err error
		begun := 0
		for ; err == nil && begun < 1000; begun++ {
			_, err = f.Start(t.Context(), job.Order{Kind: "test", Author: "anna", Work: func(context.Context, *job.Progress) (any, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-release
				return nil, nil
			}})
		}
		if domain.KindOf(err) != domain.Exhausted {
			t.Fatalf("%d begun: %v", begun, err)
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if n := most.Load(); n != 2 {
			t.Errorf("%d ran at once", n)
		}
		if left, _ := f.store.Unfinished(t.Context()); len(left) > 0 {
			t.Errorf("%d are not over", len(left))
		}
		if j := f.start(t, func(context.Context, *job.Progress) (any, error) { return nil, nil }); j.State != job.Queued {
			t.Errorf("%+v", j)
		}
		synctest.Wait()
	})
}

func TestACancelledJobLeavesTheQueueWithoutATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(jobtest.Memory))
		f.start(t, untilCancelled)
		f.start(t, untilCancelled)
		synctest.Wait() // both have had their turn
		waits := f.start(t, func(context.Context, *job.Progress) (any, error) { panic("it had a turn") })
		if _, err := f.Cancel(t.Context(), waits.ID); err != nil {
			t.Fatal(err)
		}
		if j, _ := f.Wait(t.Context(), waits.ID); j.State != job.Cancelled || j.StartedAt != nil {
			t.Errorf("%+v", j)
		}
		if err := f.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAStopInterrupts(t *testing.T) {
	f := newFixture(t, new(jobtest.Memory))
	j := f.start(t, untilCancelled)
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.stored(t, j.ID); s.State != job.Interrupted || !strings.Contains(s.Problem.Detail, "start it again") {
		t.Errorf("%+v", s)
	}
	if _, err := f.Start(t.Context(), job.Order{Kind: "test", Author: "anna", Work: untilCancelled}); domain.KindOf(err) != domain.Unavailable {
		t.Errorf("after the stop: %v", err)
	}
}

// A process that died leaves jobs in the store that nobody works on.
func TestARestartInterrupts(t *testing.T) {
	store := new(jobtest.Memory)
	for id, state := range map[string]job.State{"001": job.Running, "002": job.Queued, "003": job.Succeeded} {
		if err := store.Save(t.Context(), job.Job{ID: id, State: state}); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t, store)
	for id, want := range map[string]job.State{"001": job.Interrupted, "002": job.Interrupted, "003": job.Succeeded} {
		if j, err := f.Get(t.Context(), id); err != nil || j.State != want {
			t.Errorf("%s: %v %+v", id, err, j)
		}
	}
}

// A job that counts fast is written once a second, and read as it stands.
func TestProgressIsReadFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(jobtest.Memory))
		j := f.start(t, func(ctx context.Context, p *job.Progress) (any, error) {
			p.Expect(10_000, "rows")
			for range 10_000 {
				p.Done(1)
			}
			for i := range 1000 {
				p.Step("step %d", i)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		synctest.Wait()
		now, _ := f.Get(t.Context(), j.ID)
		if now.Count.Done != 10_000 || len(now.Steps) != 100 || now.Steps[0].Text != "step 0" || now.Steps[99].Text != "step 999" {
			t.Errorf("%+v, %d steps", now.Count, len(now.Steps))
		}
		if n := f.store.Saves(); n > 2 {
			t.Errorf("%d saves", n)
		}
		if err := f.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What cannot be stored is shown from memory and stored later.
func TestAnEndThatCannotBeStored(t *testing.T) {
	f := newFixture(t, new(jobtest.Memory))
	j := f.start(t, untilCancelled)
	f.store.Break(errors.New("the disk is full"))
	if _, err := f.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if j, err := f.Wait(t.Context(), j.ID); err != nil || j.State != job.Cancelled {
		t.Errorf("%v %+v", err, j)
	}
	<-f.ended
	f.store.Break(nil)
	if s := f.stored(t, j.ID); s.State.Over() {
		t.Fatalf("stored as %s", s.State)
	}
	if err := f.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.stored(t, j.ID); s.State != job.Cancelled {
		t.Errorf("stored as %s", s.State)
	}
}

func TestAResultThatIsTooBig(t *testing.T) {
	f := newFixture(t, new(jobtest.Memory))
	j, _ := f.Wait(t.Context(), f.start(t, func(context.Context, *job.Progress) (any, error) {
		return strings.Repeat("x", 2<<20), nil
	}).ID)
	if j.State != job.Failed || j.Problem.Kind != domain.Exhausted {
		t.Errorf("%s %+v", j.State, j.Problem)
	}
}
