package acme

import (
	"errors"
	"net/http"
	"strings"
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
		status   int // 0: no answer
		retry    string
		min, max time.Duration
	}{
		"bad nonce":          {30, 400, "", noncePause, noncePause},
		"nothing but those":  {maxNonces + 1, 400, "", 0, 0},
		"no answer":          {1, 0, "", 0, 0},
		"server error":       {1, 500, "", 2 * time.Second, 3 * time.Second},
		"many of them":       {maxRetries + 1, 500, "", 0, 0},
		"a short limit":      {1, 429, "10", 10 * time.Second, 11 * time.Second},
		"a limit of an hour": {1, 429, "3600", 0, 0},
	} {
		var response *http.Response
		if test.status != 0 {
			response = answer(test.status, test.retry) //nolint:bodyclose // it has none
		}
		if got := backoff(test.n, nil, response); got < test.min || got > test.max {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestRetryAfterIsReadThroughTheErrorAndBounded(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "3600": time.Hour, "-5": 0, "99999999": maxAsked * time.Second, "Mon, 02 Jan 2006 15:04:05 GMT": 0, "soon": 0,
	} {
		header := http.Header{"Retry-After": {text}}
		err := domain.Wrap(problem(&acme.Error{StatusCode: 429, Header: header}, "no"), "order")
		if got := RetryAfter(err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// What an authority says goes to people once, in one line and bounded.
func TestWordsAreThoseOfTheDetail(t *testing.T) {
	said := strings.Repeat("long\nand\nraw ", 1000)
	got := words(domain.Wrap(problem(errors.New(said), "the order was refused"), "order"))
	if !strings.HasPrefix(got, `order: the order was refused: "long\nand`) || strings.Contains(got, "\n") || len(got) > 2*maxProblem {
		t.Errorf("%d octets: %.100q", len(got), got)
	}
	if got := words(errors.New("plain")); got != "plain" {
		t.Errorf("got %q", got)
	}
}
