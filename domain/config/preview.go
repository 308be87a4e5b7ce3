package config

import (
	"context"

	"postern/domain"
)

// Preview is what a change would come to, had it been committed.
type Preview struct {
	// Result is what the commit would have returned.
	Result Result
	// Edits are what the revision would record; none where nothing would change.
	Edits []RecordedEdit
	// Snapshot is the configuration as it would be.
	Snapshot *Snapshot
}

// Preview makes all checks of a commit and compiles the change, and writes
// nothing (B69). It refuses what [Service.Commit] would refuse, in the same words.
func (s *Service) Preview(ctx context.Context, c Change) (Preview, error) {
	s.writing.Lock() // so that items and snapshot are of one revision
	defer s.writing.Unlock()
	work, err := s.examine(ctx, &c)
	if err != nil {
		return Preview{}, err
	}
	if len(work.recorded) > 0 {
		work.result.Revision = work.next.Revision
	}
	return Preview{Result: work.result, Edits: work.recorded, Snapshot: work.next}, nil
}

// examine completes the change by what belongs to its edits, and takes it through
// every check up to the point where it could be written.
func (s *Service) examine(ctx context.Context, c *Change) (work, error) {
	base := s.Snapshot()
	if c.Base != 0 && c.Base != base.Revision {
		return work{}, domain.E(domain.Stale, "the newest revision is %d, not %d: read again and repeat the change", base.Revision, c.Base)
	}
	c.Edits = withCompanions(base.hasAccess, c.Edits)
	current, err := s.store.Current(ctx, refsOf(c.Edits))
	if err != nil {
		return work{}, domain.Wrap(err, "read the items to change")
	}
	if err := checkPreconditions(c.Edits, current); err != nil {
		return work{}, err
	}
	return s.prepare(ctx, base, *c, current)
}
