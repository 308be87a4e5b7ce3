package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// hashesAtOnce bounds the memory and the cores that checking takes.
	hashesAtOnce = 2
	// hashesWaiting bounds how many callers queue up for a check: a second's
	// worth of work.
	hashesWaiting = 64
	// rememberFor is how long a right password is not hashed again.
	rememberFor = 60 * time.Second
)

// passwordChecker checks passwords, a few at a time, and remembers for a short
// while which ones were right.
type passwordChecker struct {
	running, waiting chan struct{} // as semaphores
	decoy            passwordHash
	secret           []byte // of this process; keys the digests

	mu    sync.Mutex
	right map[string]rightPassword // by administrator; only names that exist
}

// rightPassword is a password that was found right against a stored hash. It
// counts for that hash only: a new password makes the old one wrong at once.
type rightPassword struct {
	hash   string
	digest []byte
	until  time.Time
}

func newPasswordChecker() *passwordChecker {
	c := &passwordChecker{
		running: make(chan struct{}, hashesAtOnce),
		waiting: make(chan struct{}, hashesWaiting),
		decoy:   decoyHash(),
		secret:  make([]byte, sha256.Size),
		right:   make(map[string]rightPassword),
	}
	rand.Read(c.secret)
	return c
}

// enter waits for the caller's turn to hash. It fails at once with
// domain.Exhausted when too many wait already.
func (c *passwordChecker) enter(ctx context.Context) (leave func(), err error) {
	select {
	case c.waiting <- struct{}{}:
		defer func() { <-c.waiting }()
	default:
		return nil, slowDown("too many log-ins at once", time.Second)
	}
	select {
	case c.running <- struct{}{}:
		return func() { <-c.running }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// verify hashes the password and compares. It takes as long for an
// administrator who has no password, or does not exist, and then is false.
func (c *passwordChecker) verify(a Administrator, password string, now time.Time) bool {
	hash, err := parsePasswordHash(a.PasswordHash)
	if err != nil {
		hash = c.decoy
	}
	if len(password) > maxPassword || !hash.matches(password) || err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.right[a.Name] = rightPassword{a.PasswordHash, c.digest(password), now.Add(rememberFor)}
	return true
}

// remembers reports whether this very password was right a moment ago.
func (c *passwordChecker) remembers(a Administrator, password string, now time.Time) bool {
	c.mu.Lock()
	known, ok := c.right[a.Name]
	c.mu.Unlock()
	return ok && known.hash == a.PasswordHash && now.Before(known.until) && hmac.Equal(known.digest, c.digest(password))
}

// passwordMark tells one password of an administrator from the next, and means
// nothing outside this process.
type passwordMark [sha256.Size]byte

// mark returns that of the administrator's password of now. Each hash has a salt
// of its own: the same password set once more has another mark.
func (c *passwordChecker) mark(a Administrator) passwordMark {
	return passwordMark(c.digest(a.PasswordHash))
}

func (c *passwordChecker) digest(password string) []byte {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write([]byte(password))
	return mac.Sum(nil)
}
