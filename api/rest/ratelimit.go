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

// RateLimiter gives each token and each administrator a bucket of requests.
type RateLimiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewRateLimiter returns a limiter on a clock. One limiter is shared by all
// interfaces of a gateway.
func NewRateLimiter(now func() time.Time) *RateLimiter {
	return &RateLimiter{now: now, buckets: make(map[string]*rate.Limiter)}
}

// take takes one request from the caller's bucket and says in the reply what is
// left (RateLimit header fields of the IETF HTTPAPI draft).
func (l *RateLimiter) take(header http.Header, caller account.Principal) error {
	bucket, now := l.bucket(caller), l.now()
	allowed := bucket.AllowN(now, 1)
	left := math.Max(0, math.Floor(bucket.TokensAt(now)))
	header.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, requestBurst, requestBurst/requestsPerSecond))
	header.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, int(left), 1))
	if !allowed {
		return errOverRate()
	}
	return nil
}

// Allow takes one request from the caller's bucket, where no header can say what is
// left.
func (l *RateLimiter) Allow(caller account.Principal) error {
	if !l.bucket(caller).AllowN(l.now(), 1) {
		return errOverRate()
	}
	return nil
}

func errOverRate() error {
	return overRate{domain.E(domain.Exhausted, "more than %d requests a second", requestsPerSecond)}
}

// overRate is a refusal after which a second's rest is enough.
type overRate struct{ error }

// Unwrap returns the error in the terms of the domain.
func (e overRate) Unwrap() error { return e.error }

// RetryAfter is how long the caller should wait.
func (overRate) RetryAfter() time.Duration { return time.Second }

// bucket returns the caller's bucket. When there are too many callers all
// buckets are thrown away: a full bucket more is the worst that comes of it.
func (l *RateLimiter) bucket(caller account.Principal) *rate.Limiter {
	key := callerKey(caller)
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

// callerKey tells callers apart: administrators, and their tokens each by itself.
func callerKey(p account.Principal) string { return p.Name + "\x00" + p.Token }
