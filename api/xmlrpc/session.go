package xmlrpc

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/account"
)

// Bounds of sessions. They live in memory only: a restart ends them all.
const (
	sessionIdle     = 30 * time.Minute // ends a session that is not used
	sessionLifetime = 12 * time.Hour   // ends it even if it is used
	maxSessions     = 1024             // in all
	maxOwnSessions  = 32               // of one principal; one more ends the one unused for longest
)

// sessions are the log-ins of session.login. Only the hash of an id is kept, so
// that an image of the memory or a look-up by time tells no id.
type sessions struct {
	now func() time.Time

	mu     sync.Mutex
	byHash map[[sha256.Size]byte]*session
}

type session struct {
	principal account.Principal
	opened    time.Time
	used      time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byHash: map[[sha256.Size]byte]*session{}}
}

// open starts a session and returns its id: 256 random bits in hexadecimal. It
// fails with [domain.Exhausted] when there are too many.
func (s *sessions) open(p account.Principal) (string, error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])

	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(p.Name)
	if len(s.byHash) >= maxSessions {
		return "", domain.E(domain.Exhausted, "too many sessions are open; log out, or wait for some to expire")
	}
	now := s.now()
	s.byHash[sha256.Sum256([]byte(id))] = &session{principal: p, opened: now, used: now}
	return id, nil
}

// makeRoom removes ended sessions, and the one that its owner has not used for
// longest if the owner has as many as allowed: a script that never logs out
// must not lock out itself or others.
func (s *sessions) makeRoom(owner string) {
	own := 0
	var oldest [sha256.Size]byte
	var unusedSince time.Time
	for hash, x := range s.byHash {
		if s.ended(x) {
			delete(s.byHash, hash)
			continue
		}
		if x.principal.Name != owner {
			continue
		}
		if own == 0 || x.used.Before(unusedSince) {
			oldest, unusedSince = hash, x.used
		}
		own++
	}
	if own >= maxOwnSessions {
		delete(s.byHash, oldest)
	}
}

// use returns who opened the session and keeps it from idling out, or fails with
// [domain.Unauthenticated]. What that principal may do now is not known here.
func (s *sessions) use(id string) (account.Principal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.byHash[sha256.Sum256([]byte(id))]
	if !ok || s.ended(x) {
		return account.Principal{}, errNoSession()
	}
	x.used = s.now()
	return x.principal, nil
}

// end ends a session, or fails like use.
func (s *sessions) end(id string) error {
	hash := sha256.Sum256([]byte(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.byHash[hash]
	if !ok || s.ended(x) {
		return errNoSession()
	}
	delete(s.byHash, hash)
	return nil
}

func errNoSession() error {
	return domain.E(domain.Unauthenticated, "the session is unknown or has expired; log in again")
}

func (s *sessions) ended(x *session) bool {
	now := s.now()
	return now.Sub(x.used) >= sessionIdle || now.Sub(x.opened) >= sessionLifetime
}
