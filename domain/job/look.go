package job

import (
	"context"
	"maps"
	"slices"

	"postern/domain"
)

// Get returns the job with the id, as it stands this moment, or
// [domain.NotFound].
func (s *Service) Get(ctx context.Context, id string) (Job, error) {
	if r := s.find(id); r != nil {
		return r.current(), nil
	}
	j, err := s.Store.Get(ctx, id)
	return j, domain.Wrap(err, "get job")
}

// Wait returns the job when it is over, or as it stands when the context ends.
func (s *Service) Wait(ctx context.Context, id string) (Job, error) {
	if r := s.find(id); r != nil {
		select {
		case <-r.ended:
		case <-ctx.Done():
		}
		return r.current(), nil
	}
	return s.Get(ctx, id)
}

// List returns a page of jobs, the youngest first, each as it stands this moment.
// A filter by state goes by what is stored.
func (s *Service) List(ctx context.Context, q Query) ([]Job, error) {
	list, err := s.Store.List(ctx, q)
	for i, j := range list {
		if r := s.find(j.ID); r != nil {
			list[i] = r.current()
		}
	}
	return list, domain.Wrap(err, "list jobs")
}

// Cancel asks the job to end, and returns it as it stands: it ends soon. A job
// that is over is a [domain.Conflict].
func (s *Service) Cancel(ctx context.Context, id string) (Job, error) {
	r := s.find(id)
	if r == nil {
		j, err := s.Get(ctx, id)
		if err != nil {
			return j, err
		}
		return j, over(j)
	}
	j := r.current()
	if j.State.Over() {
		return j, over(j)
	}
	r.cancel(ErrCancelled)
	return j, nil
}

func over(j Job) error { return domain.E(domain.Conflict, "the job is over: %s", j.State) }

// Tidy forgets old jobs, and stores what could not be stored before. It is to be
// called now and then.
func (s *Service) Tidy(ctx context.Context) error {
	s.mu.Lock()
	live := slices.Collect(maps.Values(s.live))
	s.mu.Unlock()
	for _, r := range live {
		r.mu.Lock()
		if r.job.State.Over() {
			s.save(ctx, r)
		}
		r.mu.Unlock()
	}
	return domain.Wrap(s.Store.Prune(ctx, s.Now().Add(-keepJobsFor), keepJobs), "forget old jobs")
}

func (s *Service) find(id string) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

func (r *run) current() Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job
}
