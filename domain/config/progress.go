package config

import (
	"context"
	"sync"

	"postern/domain/event"
)

// Status is how far the running configuration has followed the committed one
// (B70).
type Status struct {
	Committed int64
	Applied   int64
	// Problems say why Applied is behind, part by part; empty where it is not,
	// or where the change is still under way.
	Problems []Problem
	// Pending is the revision that waits to be confirmed; nil where none does.
	Pending *Pending
}

// Problem is something that keeps a revision from being applied.
type Problem struct {
	Part   string // as "listener inbound"
	Detail string
}

// progress is what the engine reported.
type progress struct {
	applied  event.Mark
	mu       sync.Mutex
	problems []Problem
}

// Status returns committed and applied revision, always both (B70).
func (s *Service) Status() Status {
	s.progress.mu.Lock()
	problems := s.progress.problems
	s.progress.mu.Unlock()
	return Status{
		Committed: s.Snapshot().Revision, Applied: s.progress.applied.Value(), Problems: problems, Pending: s.Pending(),
	}
}

// ReportApplied is the engine's word that a revision is in force.
func (s *Service) ReportApplied(revision int64) {
	s.report(nil)
	s.progress.applied.Raise(revision)
	s.bus.Publish(event.ConfigurationApplied)
}

// ReportProblems is the engine's word that the newest revision is not in force,
// and why.
func (s *Service) ReportProblems(problems []Problem) {
	s.report(problems)
	s.bus.Publish(event.ConfigurationStuck)
}

func (s *Service) report(problems []Problem) {
	s.progress.mu.Lock()
	defer s.progress.mu.Unlock()
	s.progress.problems = problems
}

// WaitApplied returns when the revision is in force, or with the context's
// error.
func (s *Service) WaitApplied(ctx context.Context, revision int64) error {
	return s.progress.applied.Wait(ctx, revision)
}
