package config

import (
	"context"
	"fmt"
	"time"

	"postern/domain"
)

// Revision returns a committed revision with its edits.
func (s *Service) Revision(ctx context.Context, number int64) (Revision, error) {
	return s.history.Revision(ctx, number)
}

// RevisionQuery selects revisions. The zero value of a field selects all.
type RevisionQuery struct {
	Before      int64 // only numbers below; 0: from the newest
	After       int64 // only numbers above
	OldestFirst bool  // turns the list around
	Limit       int
	Author      string
	// Kind and Key select revisions that changed an item of the kind, or with the
	// key, or both.
	Kind Kind
	Key  string
	// Since and Until are the moments between which the revision was made; the
	// first is included.
	Since, Until time.Time
	// Comment is a part of the comment; the case of ASCII letters does not count.
	Comment      string
	Confirmation ConfirmationState
}

// Revisions lists revisions without their edits, newest first unless the query says otherwise.
func (s *Service) Revisions(ctx context.Context, q RevisionQuery) ([]Revision, error) {
	return s.history.Revisions(ctx, q)
}

// Rollback makes a new revision in which every item is as it was at the given
// one (B70). Certificates are not configuration and stay as they are.
func (s *Service) Rollback(ctx context.Context, number int64, act Act) (Result, error) {
	s.writing.Lock() // what another writes meanwhile would not be rolled back
	defer s.writing.Unlock()
	change, err := s.rollback(ctx, number, act)
	if err != nil {
		return Result{}, err
	}
	return s.commit(ctx, change)
}

// PreviewRollback says what a roll back would come to.
func (s *Service) PreviewRollback(ctx context.Context, number int64) (Preview, error) {
	change, err := s.rollback(ctx, number, Act{})
	if err != nil {
		return Preview{}, err
	}
	return s.Preview(ctx, change)
}

// rollback is the change back to a revision.
func (s *Service) rollback(ctx context.Context, number int64, act Act) (Change, error) {
	if newest := s.Snapshot().Revision; number < 1 || number > newest {
		return Change{}, domain.E(domain.NotFound, "there is no revision %d; the newest is %d", number, newest)
	}
	edits, err := s.editsBackTo(ctx, number)
	if err != nil {
		return Change{}, domain.Wrap(err, "gather the edits back to revision %d", number)
	}
	if act.Comment == "" {
		act.Comment = fmt.Sprintf("roll back to revision %d", number)
	}
	change := act.change(edits)
	change.unbound = true
	return change, nil
}

func (s *Service) editsBackTo(ctx context.Context, number int64) ([]Edit, error) {
	recorded, err := s.history.StateAt(ctx, number)
	if err != nil {
		return nil, err
	}
	current, err := s.store.Current(ctx, recordedRefs(recorded))
	if err != nil {
		return nil, err
	}
	var edits []Edit
	for _, r := range recorded {
		if _, exists := current[Ref{r.Kind, r.Key}]; !exists && r.Before == nil {
			continue // came and went in between
		}
		v, err := decode(r.Kind, r.Key, r.Before)
		if err != nil {
			return nil, err
		}
		edits = append(edits, Edit{Kind: r.Kind, Key: r.Key, Value: v})
	}
	return edits, nil
}

func recordedRefs(recorded []RecordedEdit) []Ref {
	refs := make([]Ref, len(recorded))
	for i, r := range recorded {
		refs[i] = Ref{r.Kind, r.Key}
	}
	return refs
}
