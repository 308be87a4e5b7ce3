package config

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/event"
)

// Bounds of the time in which a change must be confirmed.
const (
	MinConfirm = 5 * time.Second
	MaxConfirm = 24 * time.Hour
)

// ServiceAuthor is the author of revisions that nobody asked for.
const ServiceAuthor = "postern"

// ConfirmationState is what became of a revision that had to be confirmed.
type ConfirmationState string

// The states of a confirmation.
const (
	ConfirmationPending   ConfirmationState = "pending"
	ConfirmationConfirmed ConfirmationState = "confirmed"
	ConfirmationReverted  ConfirmationState = "reverted"
)

// Confirmation says until when a revision had to be confirmed, and what became of
// it (B70).
type Confirmation struct {
	By    time.Time
	State ConfirmationState
	// SettledBy is who confirmed the revision.
	SettledBy string
	// RevertedIn is the revision that took it back; 0 where none did.
	RevertedIn int64
}

// Pending is the one revision that waits to be confirmed.
type Pending struct {
	Revision int64
	By       time.Time
}

// checkConfirm refuses a second revision that must be confirmed while one waits:
// taking back the first would pull the ground from under the second.
func (s *Service) checkConfirm(c Change) error {
	d := c.ConfirmWithin
	if d != 0 && (d < MinConfirm || d > MaxConfirm) {
		return domain.E(domain.Invalid, "a change must be confirmed within %s to %s", MinConfirm, MaxConfirm)
	}
	if p := s.pending.Load(); d != 0 && p != nil {
		return domain.E(domain.Conflict, "revision %d waits to be confirmed by %s: confirm it first", p.Revision, clock(p.By))
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// confirmation is that of the revision which the change becomes.
func (c Change) confirmation(now time.Time) *Confirmation {
	if c.ConfirmWithin == 0 {
		return nil
	}
	by := now.Add(c.ConfirmWithin).Truncate(time.Microsecond) // as it is stored
	return &Confirmation{By: by, State: ConfirmationPending}
}

// loadPending finds the revision that waits to be confirmed.
func (s *Service) loadPending(ctx context.Context) error {
	found, err := s.history.Revisions(ctx, RevisionQuery{Confirmation: ConfirmationPending, Limit: 1})
	if err != nil {
		return err
	}
	s.pending.Store(nil)
	if len(found) > 0 {
		s.notePending(found[0])
	}
	return nil
}

// notePending keeps in mind what a committed revision means for the one that
// waits.
func (s *Service) notePending(r Revision) {
	switch {
	case r.Reverts != 0:
		s.pending.Store(nil)
	case r.Confirmation != nil:
		s.pending.Store(&Pending{Revision: r.Number, By: r.Confirmation.By})
	}
}

// Pending returns the revision that waits to be confirmed; nil where none does.
func (s *Service) Pending() *Pending { return s.pending.Load() }

// Confirm keeps a revision for good (B70). A Conflict says why it cannot: it was
// taken back, and in which revision, or never had to be confirmed. Confirming
// twice does nothing.
func (s *Service) Confirm(ctx context.Context, number int64, author string) (Revision, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	r, err := s.history.Revision(ctx, number)
	if err != nil {
		return Revision{}, err
	}
	if r.Confirmation != nil && r.Confirmation.State == ConfirmationConfirmed {
		return r, nil
	}
	if err := r.checkConfirmable(s.now()); err != nil {
		return Revision{}, err
	}
	if err := s.history.Confirm(ctx, number, author, s.now().UTC()); err != nil {
		return Revision{}, domain.Wrap(err, "confirm revision %d", number)
	}
	s.pending.Store(nil)
	return s.history.Revision(ctx, number)
}

func (r Revision) checkConfirmable(now time.Time) error {
	switch c := r.Confirmation; {
	case c == nil:
		return domain.E(domain.Conflict, "revision %d stands already: it was made without a time in which to confirm it", r.Number)
	case c.State == ConfirmationReverted:
		return domain.E(domain.Conflict, "revision %d was not confirmed by %s: revision %d took it back", r.Number, clock(c.By), c.RevertedIn)
	case !now.Before(c.By):
		return domain.E(domain.Conflict, "revision %d was not confirmed by %s and is being taken back", r.Number, clock(c.By))
	}
	return nil
}

// RevertOverdue takes back the revision whose time to be confirmed is up, by a
// revision of its own. Each of its items becomes what it was before, unless a
// later revision changed it too: that one is left alone and named in the comment.
// Where such a part of the old state would contradict what came later, everything
// becomes as it was before the unconfirmed revision, which held together.
func (s *Service) RevertOverdue(ctx context.Context) error {
	s.writing.Lock() // so that nothing is written between the look and the revert
	defer s.writing.Unlock()
	p := s.pending.Load()
	if p == nil || s.now().Before(p.By) {
		return nil
	}
	r, err := s.history.Revision(ctx, p.Revision)
	if err != nil {
		return domain.Wrap(err, "read revision %d, which was not confirmed", p.Revision)
	}
	err = s.revertItems(ctx, r)
	if kind := domain.KindOf(err); err != nil && (kind == domain.Invalid || kind == domain.Conflict) {
		err = s.revertAll(ctx, r)
	}
	return domain.Wrap(err, "take back revision %d, which was not confirmed", r.Number)
}

// revertItems restores what only the revision changed.
func (s *Service) revertItems(ctx context.Context, r Revision) error {
	edits, left, err := s.editsBefore(ctx, r)
	if err != nil {
		return err
	}
	comment := fmt.Sprintf("revision %d was not confirmed by %s", r.Number, clock(r.Confirmation.By))
	if len(left) > 0 {
		comment += "; changed since, and left as it is: " + nameSome(left)
	}
	return s.revert(ctx, r, edits, comment)
}

// revertAll restores the whole state before the revision.
func (s *Service) revertAll(ctx context.Context, r Revision) error {
	edits, err := s.editsBackTo(ctx, r.Number-1)
	if err != nil {
		return err
	}
	return s.revert(ctx, r, edits, fmt.Sprintf(
		"revision %d was not confirmed by %s; later changes build on it, so everything is as at revision %d", r.Number, clock(r.Confirmation.By), r.Number-1))
}

func (s *Service) revert(ctx context.Context, r Revision, edits []Edit, comment string) error {
	_, err := s.commit(ctx, Change{Author: ServiceAuthor, Comment: comment, Edits: edits, unbound: true, reverts: r.Number})
	return err
}

// editsBefore returns the edits back to before a revision of those items that are
// as it left them, and the names of the others.
func (s *Service) editsBefore(ctx context.Context, r Revision) (edits []Edit, left []string, err error) {
	current, err := s.store.Current(ctx, recordedRefs(r.Edits))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range r.Edits {
		item := current[Ref{e.Kind, e.Key}]
		if !bytes.Equal(item.Document, e.After) {
			left = append(left, fmt.Sprintf("%s %q", words(e.Kind), e.Key))
			continue
		}
		value, err := decode(e.Kind, e.Key, e.Before)
		if err != nil {
			return nil, nil, err
		}
		edits = append(edits, Edit{Kind: e.Kind, Key: e.Key, Value: value, IfMatch: item.ETag, IfNoneMatch: e.After == nil})
	}
	return edits, left, nil
}

// nameSome names a few of many.
func nameSome(names []string) string {
	const some = 5
	more := ""
	if len(names) > some {
		more = fmt.Sprintf(" and %d more", len(names)-some)
		names = names[:some]
	}
	return strings.Join(names, ", ") + more
}

// revertRetry is how soon a revision that could not be taken back is tried again.
const revertRetry = 10 * time.Second

// FollowConfirmations takes back unconfirmed revisions when their time is up,
// until its context ends. What fails is reported, and tried again.
func (s *Service) FollowConfirmations(ctx context.Context, report func(error)) {
	changes := s.bus.Subscribe(event.ConfigurationChanged)
	defer changes.Close()
	for ctx.Err() == nil {
		wake, wait := changes.C(), revertRetry
		if err := s.RevertOverdue(ctx); err != nil {
			report(err)
			wake = nil // a commit that fails is a wake too: it would never rest
		} else if p := s.pending.Load(); p != nil {
			wait = max(0, p.By.Sub(s.now()))
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(wait):
		}
	}
}
