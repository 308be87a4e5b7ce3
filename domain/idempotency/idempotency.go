// Package idempotency lets a caller repeat a request without fear that it takes
// effect twice: who sends a key of his own with a request gets, for the same key
// and the same request, the same reply (draft-ietf-httpapi-idempotency-key).
//
// A key is claimed before the request is carried out, and the reply is kept with
// it afterwards. A claim whose reply never came, because the gateway was killed
// meanwhile, stays: nobody knows whether the request took effect, so that it is
// not carried out again; the audit log says what is known. So does the claim of a
// request whose reply holds a secret, which the caller does not settle.
package idempotency

import (
	"bytes"
	"context"
	"time"

	"postern/domain"
)

// Bounds of what is kept.
const (
	// Keep is how long a reply can be had again.
	Keep = 24 * time.Hour
	// MaxKeys is how many keys one caller may have within that time.
	MaxKeys = 10_000
	// MaxReply is how many octets of a reply are kept. A larger one cannot be had
	// again, but the request is not carried out again either.
	MaxReply = 1 << 20
	// MaxKey is the longest key.
	MaxKey = 255
)

// Key names a request of one caller. The same text of another caller or for
// another operation is another key.
type Key struct {
	Caller, Operation, Text string
}

// ParseKey checks the text of a key: printable ASCII. A text in quotes, as a
// string of RFC 9651 has them, is the text between them.
func ParseKey(text string) (string, error) {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	if text == "" || len(text) > MaxKey {
		return "", domain.E(domain.Invalid, "a key has 1 to %d characters", MaxKey)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f || text[i] == '"' || text[i] == '\\' {
			return "", domain.E(domain.Invalid, "a key consists of printable ASCII characters, without space, quote and backslash")
		}
	}
	return text, nil
}

// Reply is what a request was answered with.
type Reply struct {
	Status int
	Header map[string][]string
	Body   []byte
}

// Claim is what is kept of a key.
type Claim struct {
	Digest []byte // of the request
	At     time.Time
	Reply  *Reply // nil: the request is under way, or was cut short
}

// Store keeps claims. Replies may hold secrets, which it seals. Implementations
// are safe for concurrent use and return [domain.Error]s.
type Store interface {
	// Claim stores a claim, unless there is one of the key that is not older
	// than oldest: then it returns that one and false. More than MaxKeys of a
	// caller are domain.Exhausted.
	Claim(ctx context.Context, k Key, c Claim, oldest time.Time) (earlier Claim, claimed bool, err error)
	// Settle keeps the reply with the claim; nil removes the claim.
	Settle(ctx context.Context, k Key, r *Reply) error
	// Prune removes claims older than a time.
	Prune(ctx context.Context, before time.Time) error
}

// Service claims keys. It is safe for concurrent use.
type Service struct {
	store Store
	now   func() time.Time
}

// NewService returns a service on its store.
func NewService(store Store, now func() time.Time) *Service { return &Service{store, now} }

// Begin claims the key for a request with the digest. It returns the reply of
// the request before, if it was answered, and nil where the request is to be
// carried out and settled. The key of another request is domain.Invalid; a
// request that is under way is domain.Conflict.
func (s *Service) Begin(ctx context.Context, k Key, digest []byte) (*Reply, error) {
	now := s.now().UTC()
	earlier, claimed, err := s.store.Claim(ctx, k, Claim{Digest: digest, At: now}, now.Add(-Keep))
	switch {
	case err != nil:
		return nil, domain.Wrap(err, "claim the idempotency key")
	case claimed:
		return nil, nil
	case !bytes.Equal(earlier.Digest, digest):
		return nil, domain.E(domain.Invalid, "the Idempotency-Key was used for another request: take a new key for each")
	case earlier.Reply == nil:
		return nil, domain.E(domain.Conflict, "the request with this Idempotency-Key of %s has no reply that can be had again: it is under way, its reply held a secret, which is not kept, or the gateway stopped meanwhile; look what it did before you take another key", earlier.At.Format(time.RFC3339))
	}
	return earlier.Reply, nil
}

// Settle keeps the reply for those who ask again. Where nothing was done for a
// reason that passes, nothing is kept: the request may be sent again.
func (s *Service) Settle(ctx context.Context, k Key, r Reply) error {
	ctx = context.WithoutCancel(ctx)
	switch {
	case r.passes():
		return domain.Wrap(s.store.Settle(ctx, k, nil), "give the idempotency key free")
	case len(r.Body) > MaxReply:
		return nil // the claim stays without a reply
	}
	return domain.Wrap(s.store.Settle(ctx, k, &r), "keep the reply of an idempotency key")
}

// passes reports whether the reply says that nothing was done for a reason that
// passes: 408, the body did not arrive; 429, too many requests; 503, not now.
func (r Reply) passes() bool { return r.Status == 408 || r.Status == 429 || r.Status == 503 }

// Prune forgets what is older than Keep.
func (s *Service) Prune(ctx context.Context) error {
	return domain.Wrap(s.store.Prune(ctx, s.now().Add(-Keep)), "forget idempotency keys")
}
