package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/domain"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const password = "correct horse battery staple"

var (
	home    = netip.MustParseAddr("192.0.2.1")
	outside = netip.MustParseAddr("198.51.100.7")
)

// newTestService returns a service with the administrator "admin", whose
// password is the constant, and the administrator's token.
func newTestService(t *testing.T) (s *Service, store *memory, c *clock, token string) {
	t.Helper()
	store = &memory{administrators: map[string]Administrator{}, tokens: map[string]Token{}}
	c = &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	ids := 0
	s = NewService(Dependencies{
		Administrators: store, Tokens: store, Roster: store, TokenUses: store, Now: c.Now,
		NewID: func() string { ids++; return fmt.Sprintf("%03d", ids) },
	})
	token, created, err := s.EnsureAdministrator(t.Context())
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if err := s.SetPassword(t.Context(), "admin", password); err != nil {
		t.Fatal(err)
	}
	return s, store, c, token
}

func (s *Service) login(t *testing.T, user, password string, from netip.Addr) error {
	t.Helper()
	_, err := s.Authenticate(t.Context(), Credential{user, password}, from)
	return err
}

// wantKind fails the test unless the error is of the kind.
func wantKind(t *testing.T, err error, want domain.Kind) {
	t.Helper()
	if err == nil || domain.KindOf(err) != want {
		t.Fatalf("error %v of kind %s, want %s", err, domain.KindOf(err), want)
	}
}

func TestFirstStart(t *testing.T) {
	s, store, _, token := newTestService(t)
	p, err := s.Authenticate(t.Context(), Credential{Password: token}, home)
	if err != nil || p.Name != "token:first-start" || p.Role != RoleAdmin || p.Token == "" {
		t.Errorf("principal %+v, error %v", p, err)
	}
	again, created, err := s.EnsureAdministrator(t.Context())
	if again != "" || created || err != nil {
		t.Errorf("a second call created %v, error %v", created, err)
	}
	for _, stored := range store.tokens {
		if strings.Contains(fmt.Sprintf("%s %q %v", stored.Hash, stored.Hash, stored), token) {
			t.Error("the store has the secret")
		}
	}
}

func TestAdministratorWithoutPasswordCannotLogIn(t *testing.T) {
	s, store, _, _ := newTestService(t)
	if err := store.SetPasswordHash(t.Context(), "admin", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.login(t, "admin", "", home), domain.Unauthenticated)
	wantKind(t, s.login(t, "admin", password, home), domain.Unauthenticated)
}

func TestPasswordLogin(t *testing.T) {
	s, _, _, _ := newTestService(t)
	p, err := s.Authenticate(t.Context(), Credential{"admin", password}, home)
	if err != nil || p.Name != "admin" || p.Role != RoleAdmin || p.Token != "" {
		t.Fatalf("principal %+v, error %v", p, err)
	}
	wrong := s.login(t, "admin", password+"x", home)
	wantKind(t, wrong, domain.Unauthenticated)
	unknown := s.login(t, "nobody", password, home)
	wantKind(t, unknown, domain.Unauthenticated)
	if wrong.Error() != unknown.Error() {
		t.Errorf("the errors tell who exists: %q and %q", wrong, unknown)
	}
	if strings.Contains(wrong.Error(), password) {
		t.Error("the error shows the password")
	}
}

func TestNewPasswordEndsTheOldOneAtOnce(t *testing.T) {
	s, store, _, _ := newTestService(t)
	if err := s.login(t, "admin", password, home); err != nil {
		t.Fatal(err)
	}
	if a := store.administrators["admin"]; !s.passwords.remembers(a, password, s.now()) {
		t.Fatal("the password is not remembered")
	}
	if err := s.SetPassword(t.Context(), "admin", "another long password"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.login(t, "admin", password, home), domain.Unauthenticated)
	if err := s.login(t, "admin", "another long password", home); err != nil {
		t.Error(err)
	}
}

func TestRightPasswordIsRememberedForAMinute(t *testing.T) {
	s, store, c, _ := newTestService(t)
	if err := s.login(t, "admin", password, home); err != nil {
		t.Fatal(err)
	}
	a := store.administrators["admin"]
	if s.passwords.remembers(a, "another long password", c.Now()) {
		t.Error("a wrong password is taken for the one remembered")
	}
	c.advance(rememberFor)
	if s.passwords.remembers(a, password, c.Now()) {
		t.Error("the password is still remembered")
	}
}

func TestRememberedPasswordNeedsNoTurn(t *testing.T) {
	s, _, _, _ := newTestService(t)
	if err := s.login(t, "admin", password, home); err != nil {
		t.Fatal(err)
	}
	for range hashesAtOnce { // nobody can hash now
		leave, err := s.passwords.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
	}
	if err := s.login(t, "admin", password, home); err != nil {
		t.Error(err)
	}
}

func TestHashingIsBounded(t *testing.T) {
	c := newPasswordChecker()
	for range hashesAtOnce {
		if _, err := c.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var waiters sync.WaitGroup
	for range hashesWaiting {
		c.waiting <- struct{}{} // the place of one who waits
	}
	_, err := c.enter(ctx)
	wantKind(t, err, domain.Exhausted)
	<-c.waiting
	waiters.Go(func() {
		if _, err := c.enter(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v of one who waited, want that of the context", err)
		}
	})
	cancel()
	waiters.Wait()
}

func TestSetPasswordRefuses(t *testing.T) {
	s, _, _, _ := newTestService(t)
	for name, bad := range map[string]string{
		"empty": "", "short": "elevenchars", "short in characters": strings.Repeat("ü", 11),
		"long": strings.Repeat("x", maxPassword+1), "no text": "\xff" + password, "token": tokenPrefix + password,
	} {
		err := s.SetPassword(t.Context(), "admin", bad)
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.Invalid || e.Faults[0].Pointer != "/password" {
			t.Errorf("%s: error %v", name, err)
		}
	}
	wantKind(t, s.SetPassword(t.Context(), "nobody", password), domain.NotFound)
}

func TestFailuresSlowTheAddressDown(t *testing.T) {
	s, _, c, token := newTestService(t)
	for range freeFailures {
		wantKind(t, s.login(t, "admin", "wrong", outside), domain.Unauthenticated)
	}
	err := s.login(t, "admin", password, outside)
	wantKind(t, err, domain.Exhausted)
	var hint interface{ RetryAfter() time.Duration }
	if !errors.As(err, &hint) || hint.RetryAfter() != firstWait {
		t.Fatalf("%v does not say to wait a second", err)
	}
	if err := s.login(t, "", token, outside); err != nil {
		t.Errorf("a good token has to wait: %v", err)
	}
	if err := s.login(t, "admin", password, home); err != nil {
		t.Errorf("the administrator is locked out from an address that never failed: %v", err)
	}
	c.advance(firstWait)
	wantKind(t, s.login(t, "admin", "wrong", outside), domain.Unauthenticated)
	c.advance(firstWait) // the second wait is longer
	wantKind(t, s.login(t, "admin", password, outside), domain.Exhausted)
	c.advance(firstWait)
	if err := s.login(t, "admin", password, outside); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestFailuresSlowTheAccountDown(t *testing.T) {
	s, _, _, _ := newTestService(t)
	for i := range byte(freeFailures) {
		from := netip.AddrFrom4([4]byte{203, 0, 113, i})
		wantKind(t, s.login(t, "admin", "wrong", from), domain.Unauthenticated)
	}
	again := netip.AddrFrom4([4]byte{203, 0, 113, 0})
	wantKind(t, s.login(t, "admin", "wrong", again), domain.Exhausted)
	wantKind(t, s.login(t, "other", "wrong", again), domain.Unauthenticated)
	if err := s.login(t, "admin", password, home); err != nil {
		t.Errorf("the administrator is locked out: %v", err)
	}
	if len(s.guesses.accounts) != 1 {
		t.Error("the right password did not forget the account's failures")
	}
}

func TestWrongTokensSlowTheAddressDown(t *testing.T) {
	s, _, c, _ := newTestService(t)
	for range freeFailures {
		wantKind(t, s.login(t, "", tokenPrefix+"WRONG", outside), domain.Unauthenticated)
	}
	for range 3 {
		wantKind(t, s.login(t, "", tokenPrefix+"WRONG", outside), domain.Exhausted)
	}
	c.advance(firstWait)
	if err := s.login(t, "admin", password, outside); err != nil {
		t.Errorf("the tries in vain made the wait longer: %v", err)
	}
}

func TestManyGuessesAtOnceAreNoFaster(t *testing.T) {
	s, _, _, _ := newTestService(t)
	const guesses = 12
	var wg sync.WaitGroup
	results := make([]error, guesses)
	for i := range guesses {
		wg.Go(func() { results[i] = s.login(t, "admin", fmt.Sprint("guess ", i), outside) })
	}
	wg.Wait()
	checked := 0
	for _, err := range results {
		if domain.KindOf(err) == domain.Unauthenticated {
			checked++
		}
	}
	if checked < freeFailures || checked > freeFailures+hashesAtOnce-1 {
		t.Errorf("%d of %d guesses at once were checked", checked, guesses)
	}
}
