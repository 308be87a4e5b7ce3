package audit

import (
	"context"
	"errors"
	"fmt"

	"postern/domain"
)

// Verification is what came of following the chain from end to end.
type Verification struct {
	Entries int64 // that are as they were written
	Pruned  End   // the last entry that was removed because of its age
	Anchor  End   // the newest entry, as the sealed ends name it
	Broken  int64 // number of the first entry that is not as it was written; 0 where none can be named
	Reason  string
}

// Intact reports whether every entry is as it was written, and none is missing.
func (v Verification) Intact() bool { return v.Reason == "" }

// errBroken ends the walk at the first fault.
var errBroken = errors.New("the chain is broken")

// Verify follows the whole chain, up to the first entry that does not fit:
// behind it nothing can be said. That the chain is broken is no error.
func (s *Service) Verify(ctx context.Context) (Verification, error) {
	var f follower
	err := s.store.Walk(ctx, f.start, f.follow)
	switch {
	case errors.Is(err, errBroken):
		return f.Verification, nil
	case domain.KindOf(err) == domain.Invalid:
		return Verification{Reason: err.Error()}, nil
	case err != nil:
		return Verification{}, domain.Wrap(err, "read the audit log")
	}
	f.end()
	return f.Verification, nil
}

// Anchor returns the newest entry's place, to be kept where nobody who can
// write the database can write.
func (s *Service) Anchor(ctx context.Context) (End, error) {
	var newest End
	err := s.store.Walk(ctx, func(e Ends) { newest = e.Newest }, func(Entry) error { return errBroken })
	if errors.Is(err, errBroken) {
		err = nil
	}
	return newest, domain.Wrap(err, "read the ends of the audit log")
}

// follower walks along the chain.
type follower struct {
	Verification
	last End
}

func (f *follower) start(e Ends) { f.Pruned, f.Anchor, f.last = e.Pruned, e.Newest, e.Pruned }

func (f *follower) follow(e Entry) error {
	next := f.last.Number + 1
	switch {
	case e.Number > f.Anchor.Number:
		f.breaks(e.Number, "the gateway did not write entry %d: its newest is %d", e.Number, f.Anchor.Number)
	case e.Number != next:
		f.breaks(next, "entry %d is missing", next)
	case e.seal(f.last.Hash) != e.Hash:
		f.breaks(next, "entry %d was altered", next)
	default:
		f.last = End{e.Number, e.Hash}
		f.Entries++
		return nil
	}
	return errBroken
}

func (f *follower) end() {
	if f.last != f.Anchor {
		f.breaks(f.last.Number+1, "entry %d is missing, and all up to %d", f.last.Number+1, f.Anchor.Number)
	}
}

func (f *follower) breaks(number int64, format string, args ...any) {
	f.Broken, f.Reason = number, fmt.Sprintf(format, args...)
}
