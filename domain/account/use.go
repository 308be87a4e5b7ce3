package account

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"postern/domain"
)

// TokenUse is when, and from where, a token was used last.
type TokenUse struct {
	ID   string
	At   time.Time
	From netip.Addr
}

// TokenUseStore keeps the last uses.
type TokenUseStore interface {
	// NoteUses stores uses; those of tokens that are gone are left out.
	NoteUses(ctx context.Context, uses []TokenUse) error
}

// uses collects the last uses of tokens, so that a token which is used a
// thousand times a minute is written once.
type uses struct {
	mu   sync.Mutex
	last map[string]TokenUse // by id; only of tokens that exist
}

func newUses() *uses { return &uses{last: make(map[string]TokenUse)} }

func (u *uses) note(use TokenUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last[use.ID] = use
}

func (u *uses) take() []TokenUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := make([]TokenUse, 0, len(u.last))
	for _, use := range u.last {
		list = append(list, use)
	}
	clear(u.last)
	return list
}

// FlushUses stores when tokens were used last. It is to be called each minute:
// what is shown is as coarse as that.
func (s *Service) FlushUses(ctx context.Context) error {
	if list := s.uses.take(); len(list) > 0 {
		return domain.Wrap(s.tokenUses.NoteUses(ctx, list), "store the last uses of tokens")
	}
	return nil
}
