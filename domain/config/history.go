package config

import (
	"context"
	"fmt"

	"postern/domain"
)

// Revision returns a committed revision with its edits.
func (s *Service) Revision(ctx context.Context, number int64) (Revision, error) {
	return s.history.Revision(ctx, number)
}

// Revisions lists revisions without their edits, newest first, from below the
// given number; 0 means from the newest.
func (s *Service) Revisions(ctx context.Context, before int64, limit int) ([]Revision, error) {
	return s.history.Revisions(ctx, before, limit)
}

// Rollback makes a new revision in which every item is as it was at the given
// one (B70). Certificates are not configuration and stay as they are.
func (s *Service) Rollback(ctx context.Context, number int64, author, comment string) (Result, error) {
	if number < 1 || number > s.Snapshot().Revision {
		return Result{}, domain.E(domain.NotFound, "there is no revision %d; the newest is %d", number, s.Snapshot().Revision)
	}
	edits, err := s.editsBackTo(ctx, number)
	if err != nil {
		return Result{}, domain.Wrap(err, "gather the edits back to revision %d", number)
	}
	if comment == "" {
		comment = fmt.Sprintf("roll back to revision %d", number)
	}
	return s.Commit(ctx, Change{Author: author, Comment: comment, Edits: edits, unbound: true})
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
