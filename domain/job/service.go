package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"postern/domain"
)

// Bounds of the service.
const (
	maxRunning  = 2  // jobs that are under way
	maxWaiting  = 20 // and those that wait for their turn
	maxResult   = 1 << 20
	keepJobs    = 1000
	keepJobsFor = 30 * 24 * time.Hour
)

// Why a job's context ends before its work is done.
var (
	// ErrCancelled is the cause of a context whose job somebody ended.
	ErrCancelled = errors.New("the job was cancelled")
	errStopping  = errors.New("the gateway stops")
)

// Work is what a job does. It returns soon after the context ends. What it
// returns is shown as JSON to everyone who may look at jobs; its error as a
// problem, by the rules for [domain.Error].
type Work func(ctx context.Context, p *Progress) (result any, err error)

// Dependencies is what a [Service] is built on. All fields are required.
type Dependencies struct {
	Store Store
	Now   func() time.Time
	// NewID returns a text id that sorts after all ids it returned before.
	NewID func() string
	// Ended is told of each job that has ended, with the error of its work.
	Ended func(j Job, err error)
}

// Service begins jobs and looks after them. It is safe for concurrent use.
type Service struct {
	Dependencies
	turns chan struct{} // one for each job that runs

	mu       sync.Mutex
	live     map[string]*run // by id, those that are not over or not stored as over
	active   int             // those that are not over
	stopping bool
	running  sync.WaitGroup
}

// run is a job in this process.
type run struct {
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when the job is over

	mu      sync.Mutex
	job     Job
	savedAt time.Time
}

// NewService returns a service on its dependencies. Jobs that the store holds as
// not over were ended by the end of an earlier process: they become
// [Interrupted].
func NewService(ctx context.Context, d Dependencies) (*Service, error) {
	s := &Service{Dependencies: d, turns: make(chan struct{}, maxRunning), live: map[string]*run{}}
	left, err := d.Store.Unfinished(ctx)
	if err != nil {
		return nil, domain.Wrap(err, "load the jobs that are not over")
	}
	for _, j := range left {
		if err := d.Store.Save(ctx, j.interrupted(d.Now().UTC())); err != nil {
			return nil, domain.Wrap(err, "store job %s as interrupted", j.ID)
		}
	}
	return s, nil
}

// Order is a job to begin.
type Order struct {
	Kind    string
	Subject string // id of what the work is about; may be empty
	Author  string
	Work    Work
}

// Start begins a job in somebody's name and returns it as it was stored. The job
// outlives the context, of which it keeps the values. Where too many jobs wait
// already it is [domain.Exhausted], at the end of the process [domain.Unavailable].
func (s *Service) Start(ctx context.Context, o Order) (Job, error) {
	if err := s.enter(); err != nil {
		return Job{}, err
	}
	j := Job{ID: s.NewID(), Kind: o.Kind, Subject: o.Subject, State: Queued, Author: o.Author, CreatedAt: s.Now().UTC()}
	if err := s.Store.Save(ctx, j); err != nil {
		s.leave()
		return Job{}, domain.Wrap(err, "store the job")
	}
	working, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &run{cancel: cancel, ended: make(chan struct{}), job: j}
	s.add(r)
	go func() {
		defer s.leave()
		s.do(working, r, o.Work)
	}()
	return j, nil
}

// enter takes a place for one more job.
func (s *Service) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return domain.E(domain.Unavailable, "the gateway stops: no job is begun")
	case s.active >= maxRunning+maxWaiting:
		return domain.E(domain.Exhausted, "%d jobs run or wait already: wait for one of them, or cancel it", s.active)
	}
	s.active++
	s.running.Add(1)
	return nil
}

func (s *Service) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.running.Done()
}

// add makes the job known. At the end of the process it ends before it begins.
func (s *Service) add(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[r.job.ID] = r
	if s.stopping {
		r.cancel(errStopping)
	}
}

// do waits for a turn, does the work and notes what came of it.
func (s *Service) do(ctx context.Context, r *run, work Work) {
	defer r.cancel(nil)
	defer close(r.ended)
	var result any
	err := s.takeTurn(ctx)
	if err == nil {
		s.change(ctx, r, func(j Job) Job { return j.started(s.Now().UTC()) })
		result, err = recovered(ctx, work, &Progress{service: s, run: r, ctx: ctx})
		<-s.turns
	}
	s.end(ctx, r, result, err)
}

func (s *Service) takeTurn(ctx context.Context) error {
	select {
	case s.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// recovered does the work; a panic becomes an error with its stack.
func recovered(ctx context.Context, work Work, p *Progress) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return work(ctx, p)
}

// end notes what came of the work. Work that was done in spite of everything has
// succeeded.
func (s *Service) end(ctx context.Context, r *run, result any, err error) {
	document, err := encode(result, err)
	now := s.Now().UTC()
	j := s.change(ctx, r, func(j Job) Job {
		cause := context.Cause(ctx)
		switch {
		case err == nil:
			return j.ended(Succeeded, document, nil, now)
		case errors.Is(cause, ErrCancelled):
			return j.ended(Cancelled, nil, nil, now)
		case errors.Is(cause, errStopping):
			return j.interrupted(now)
		}
		return j.ended(Failed, nil, problemOf(err), now)
	})
	s.Ended(j, err)
}

func encode(result any, err error) (json.RawMessage, error) {
	if err != nil || result == nil {
		return nil, err
	}
	document, err := json.Marshal(result)
	if err == nil && len(document) > maxResult {
		return nil, domain.E(domain.Exhausted, "the work is done, but its result has more than %d octets and is not shown", maxResult)
	}
	return document, err
}

// change changes the job and stores it. One that is stored as over is
// forgotten here; while it cannot be stored, memory has the truth.
func (s *Service) change(ctx context.Context, r *run, do func(Job) Job) Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job, r.savedAt = do(r.job), s.Now()
	s.save(context.WithoutCancel(ctx), r)
	return r.job
}

func (s *Service) save(ctx context.Context, r *run) {
	err := s.Store.Save(ctx, r.job)
	if err == nil && r.job.State.Over() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, r.job.ID)
	}
}

// Stop ends all jobs, which become [Interrupted], and waits for them until the
// context ends.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for _, r := range s.live {
		r.cancel(errStopping)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("jobs have not ended: %w", ctx.Err())
	}
}
