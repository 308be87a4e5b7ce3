package xmlrpc

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/account"
)

// testClock is a clock that tests turn on.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func newTestClock() *testClock { return &testClock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func mustOpen(t *testing.T, s *sessions, owner string) string {
	t.Helper()
	id, err := s.open(account.Principal{Name: owner, Role: account.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func wantAlive(t *testing.T, s *sessions, id string, alive bool) {
	t.Helper()
	_, err := s.use(id)
	if (err == nil) != alive || (err != nil && domain.KindOf(err) != domain.Unauthenticated) {
		t.Errorf("use: %v, want alive %v", err, alive)
	}
}

func TestSessionIdlesOut(t *testing.T) {
	clock := newTestClock()
	s := newSessions(clock.now)
	id := mustOpen(t, s, "a")
	if len(id) != 64 {
		t.Errorf("id of %d characters", len(id))
	}
	clock.advance(sessionIdle - 1)
	wantAlive(t, s, id, true) // and begins its idle time anew
	clock.advance(sessionIdle - 1)
	wantAlive(t, s, id, true)
	clock.advance(sessionIdle)
	wantAlive(t, s, id, false)
}

func TestSessionLifetime(t *testing.T) {
	clock := newTestClock()
	s := newSessions(clock.now)
	id := mustOpen(t, s, "a")
	for since := time.Duration(0); since < sessionLifetime-10*time.Minute; since += 10 * time.Minute {
		wantAlive(t, s, id, true)
		clock.advance(10 * time.Minute)
	}
	clock.advance(10 * time.Minute)
	wantAlive(t, s, id, false)
}

func TestSessionEnd(t *testing.T) {
	s := newSessions(newTestClock().now)
	id, other := mustOpen(t, s, "a"), mustOpen(t, s, "a")
	if err := s.end(id); err != nil {
		t.Fatal(err)
	}
	wantAlive(t, s, id, false)
	wantAlive(t, s, other, true)
	if err := s.end(id); domain.KindOf(err) != domain.Unauthenticated {
		t.Errorf("second end: %v", err)
	}
	wantAlive(t, s, "", false)
}

// One more session than allowed ends the own one that was unused for longest,
// and nobody else's.
func TestSessionsOfOnePrincipal(t *testing.T) {
	clock := newTestClock()
	s := newSessions(clock.now)
	others := mustOpen(t, s, "b")
	ids := make([]string, maxOwnSessions)
	for i := range ids {
		clock.advance(time.Second)
		ids[i] = mustOpen(t, s, "a")
	}
	clock.advance(time.Second)
	wantAlive(t, s, ids[0], true) // now the second is unused for longest
	mustOpen(t, s, "a")
	wantAlive(t, s, ids[0], true)
	wantAlive(t, s, ids[1], false)
	wantAlive(t, s, ids[2], true)
	wantAlive(t, s, others, true)
}

func TestSessionsInAll(t *testing.T) {
	clock := newTestClock()
	s := newSessions(clock.now)
	for i := range maxSessions {
		mustOpen(t, s, fmt.Sprint("user", i))
	}
	_, err := s.open(account.Principal{Name: "one more"})
	if domain.KindOf(err) != domain.Exhausted {
		t.Fatalf("open: %v, want exhausted", err)
	}
	clock.advance(sessionIdle)
	mustOpen(t, s, "one more")
	if len(s.byHash) != 1 {
		t.Errorf("%d sessions kept", len(s.byHash))
	}
}
