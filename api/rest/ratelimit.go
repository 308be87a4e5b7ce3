package rest

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"postern/domain"
	"postern/domain/account"
)

// The rate that every caller has: generous for tools that write in a loop, low
// enough that one runaway script leaves room for the others.
const (
	requestsPerSecond = 200
	requestBurst      = 1000
	maxCallers        = 10_000
)

// rateLimiter gives each token and each administrator a bucket of requests.
type rateLimiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newRateLimiter(now func() time.Time) *rateLimiter {
	return &rateLimiter{now: now, buckets: make(map[string]*rate.Limiter)}
}

// take takes one request from the caller's bucket and says in the reply what is
// left (RateLimit header fields of the IETF HTTPAPI draft).
func (l *rateLimiter) take(header http.Header, caller account.Principal) error {
	bucket, now := l.bucket(caller), l.now()
	allowed := bucket.AllowN(now, 1)
	left := math.Max(0, math.Floor(bucket.TokensAt(now)))
	header.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, requestBurst, requestBurst/requestsPerSecond))
	header.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, int(left), 1))
	if !allowed {
		return overRate{domain.E(domain.Exhausted, "more than %d requests a second", requestsPerSecond)}
	}
	return nil
}

// overRate is a refusal after which a second's rest is enough.
type overRate struct{ error }

// Unwrap returns the error in the terms of the domain.
func (e overRate) Unwrap() error { return e.error }

// RetryAfter is how long the caller should wait.
func (overRate) RetryAfter() time.Duration { return time.Second }

// bucket returns the caller's bucket. When there are too many callers all
// buckets are thrown away: a full bucket more is the worst that comes of it.
func (l *rateLimiter) bucket(caller account.Principal) *rate.Limiter {
	key := caller.Name + "\x00" + caller.Token
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets[key]; ok {
		return b
	}
	if len(l.buckets) >= maxCallers {
		clear(l.buckets)
	}
	b := rate.NewLimiter(requestsPerSecond, requestBurst)
	l.buckets[key] = b
	return b
}
