// Package acme is the domain's half of ACME (RFC 8555): what is to be answered to a
// certification authority that wants proof of a name.
//
// An http-01 challenge is a token that the authority asks for by HTTP at every name
// of the order; the answer, the key authorization, is the token and the thumbprint of
// the account's key (RFC 8555 §8.1, §8.3). Whoever holds the order puts the answer
// here, the built-in client as well as a script by REST or XML-RPC, and the public
// web listener gives it to whoever asks (B50). Neither is a secret.
package acme

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/domain"
)

const (
	// MaxChallenges bounds how many answers wait to be asked for.
	MaxChallenges = 1000
	// Lifetime is how long an answer is kept unless it is taken away before. No
	// authority takes longer to ask.
	Lifetime = 24 * time.Hour

	maxToken         = 128
	thumbprintLength = 43 // base64url of a SHA-256 (RFC 7638)
)

// Challenge is an answer that waits to be asked for.
type Challenge struct {
	Token            string // base64url
	KeyAuthorization string // token "." thumbprint
	CreatedAt        time.Time
	CreatedBy        string
}

// ExpiresAt is when the answer is forgotten.
func (c Challenge) ExpiresAt() time.Time { return c.CreatedAt.Add(Lifetime) }

// ValidToken reports whether a token has the characters that a token may have (RFC
// 8555 §8.3), so that no path and no file name can be hidden in it.
func ValidToken(token string) bool {
	return token != "" && len(token) <= maxToken && strings.IndexFunc(token, notBase64URL) < 0
}

func notBase64URL(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// validate reports what is wrong with an answer.
func (c Challenge) validate() (f domain.Faults) {
	if !ValidToken(c.Token) {
		f.Add("/token", "must have 1 to %d of the characters A-Z a-z 0-9 - _ (RFC 8555 §8.3)", maxToken)
		return f
	}
	thumbprint, ok := strings.CutPrefix(c.KeyAuthorization, c.Token+".")
	if !ok || len(thumbprint) != thumbprintLength || !ValidToken(thumbprint) {
		f.Add("/key_authorization", "must be the token, a dot, and the thumbprint of the account key in base64url (RFC 8555 §8.1)")
	}
	return f
}

// ChallengeStore keeps answers. Implementations return [domain.Error]s.
type ChallengeStore interface {
	// PutChallenge stores an answer, in place of one for the same token.
	PutChallenge(ctx context.Context, c Challenge) error
	// Challenges returns all of them.
	Challenges(ctx context.Context) ([]Challenge, error)
	// DeleteChallenges removes those with the tokens, as far as they are there.
	DeleteChallenges(ctx context.Context, tokens []string) error
}

// Challenges are the answers that wait. All are held in memory too: whoever asks is
// the whole Internet, and must not reach the database. It is safe for concurrent use.
type Challenges struct {
	store ChallengeStore
	now   func() time.Time

	writing sync.Mutex // held from a write to the store to that to memory
	mu      sync.RWMutex
	byToken map[string]Challenge
}

// NewChallenges loads the answers that wait.
func NewChallenges(ctx context.Context, store ChallengeStore, now func() time.Time) (*Challenges, error) {
	stored, err := store.Challenges(ctx)
	if err != nil {
		return nil, domain.Wrap(err, "load the ACME challenges")
	}
	c := &Challenges{store: store, now: now, byToken: make(map[string]Challenge, len(stored))}
	for _, s := range stored {
		c.byToken[s.Token] = s
	}
	return c, nil
}

// Put makes an answer known; it can be asked for when Put returns. One for the same
// token is replaced. Bad input is domain.Invalid, too many answers domain.Exhausted.
func (c *Challenges) Put(ctx context.Context, author, token, keyAuthorization string) (Challenge, error) {
	challenge := Challenge{Token: token, KeyAuthorization: keyAuthorization, CreatedAt: c.now().UTC(), CreatedBy: author}
	if err := challenge.validate().Err(); err != nil {
		return Challenge{}, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.forget(ctx, c.expired()); err != nil {
		return Challenge{}, err
	}
	if c.full(token) {
		return Challenge{}, domain.E(domain.Exhausted, "%d challenges wait already: delete those that are over", MaxChallenges)
	}
	if err := c.store.PutChallenge(ctx, challenge); err != nil {
		return Challenge{}, domain.Wrap(err, "store the challenge")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byToken[token] = challenge
	return challenge, nil
}

func (c *Challenges) full(token string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, known := c.byToken[token]
	return !known && len(c.byToken) >= MaxChallenges
}

// expired returns the tokens of answers that are over.
func (c *Challenges) expired() (tokens []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for token, challenge := range c.byToken {
		if !c.now().Before(challenge.ExpiresAt()) {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// forget removes answers from the store and then from memory.
func (c *Challenges) forget(ctx context.Context, tokens []string) error {
	if len(tokens) == 0 {
		return nil
	}
	if err := c.store.DeleteChallenges(ctx, tokens); err != nil {
		return domain.Wrap(err, "delete challenges")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, token := range tokens {
		delete(c.byToken, token)
	}
	return nil
}

// Get returns the answer for a token, or domain.NotFound.
func (c *Challenges) Get(token string) (Challenge, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	challenge, ok := c.byToken[token]
	if !ok || !c.now().Before(challenge.ExpiresAt()) {
		return Challenge{}, domain.E(domain.NotFound, "no ACME challenge has this token")
	}
	return challenge, nil
}

// List returns up to limit answers with tokens after the given one, in their order.
func (c *Challenges) List(after string, limit int) []Challenge {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []Challenge
	for _, token := range slices.Sorted(maps.Keys(c.byToken)) {
		if token > after && len(list) < limit && c.now().Before(c.byToken[token].ExpiresAt()) {
			list = append(list, c.byToken[token])
		}
	}
	return list
}

// Delete takes an answer away, or returns domain.NotFound.
func (c *Challenges) Delete(ctx context.Context, token string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.Get(token); err != nil {
		return err
	}
	return c.forget(ctx, []string{token})
}
