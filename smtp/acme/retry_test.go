package acme

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"postern/domain"
)

func answer(status int, retryAfter string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}}
	if retryAfter != "" {
		r.Header.Set("Retry-After", retryAfter)
	}
	return r
}

// B48: nonces are tried again at once, limits honoured while they are short.
func TestBackoff(t *testing.T) {
	for name, test := range map[string]struct {
		n        int
		response *http.Response
		min, max time.Duration
	}{
		"bad nonce":          {30, answer(400, ""), noncePause, noncePause},
		"nothing but those":  {maxNonces + 1, answer(400, ""), 0, 0},
		"no answer":          {1, nil, 0, 0},
		"server error":       {1, answer(500, ""), 2 * time.Second, 3 * time.Second},
		"many of them":       {maxRetries + 1, answer(500, ""), 0, 0},
		"a short limit":      {1, answer(429, "10"), 10 * time.Second, 11 * time.Second},
		"a limit of an hour": {1, answer(429, "3600"), 0, 0},
	} {
		if got := backoff(test.n, nil, test.response); got < test.min || got > test.max {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestRetryAfterIsReadThroughTheErrorAndBounded(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "3600": time.Hour, "-5": 0, "99999999": maxAsked * time.Second, "Mon, 02 Jan 2006 15:04:05 GMT": 0, "soon": 0,
	} {
		err := domain.Wrap(problem(&acme.Error{StatusCode: 429, Header: answer(429, text).Header}, "no"), "order")
		if got := RetryAfter(err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
