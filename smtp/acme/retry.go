package acme

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"postern/domain"
)

const (
	// maxNonces is how often one request is sent again because its nonce was
	// refused: with nine in ten refused, one request in a thousand gives up.
	maxNonces  = 65
	noncePause = 20 * time.Millisecond
	// maxRetries is how often a request is sent again that the authority could not
	// serve.
	maxRetries = 5
	maxRetry   = time.Minute
)

// backoff says how long to wait before a request is sent again; 0: not at all. A
// nonce that was refused came with its successor and needs no pause (RFC 8555 §6.5).
func backoff(n int, _ *http.Request, response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	if response.StatusCode == http.StatusBadRequest { // of these only bad nonces are asked about
		if n > maxNonces {
			return 0
		}
		return noncePause
	}
	pause := retryAfter(response.Header)
	if pause == 0 {
		pause = time.Second << min(n, 5)
	}
	// RFC 8555 §6.6: a rate limit may last for days. The order is begun anew then.
	if n > maxRetries || pause > maxRetry {
		return 0
	}
	return pause + rand.N(time.Second)
}

// retryAfter reads the header (RFC 9110 §10.2.3); 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), maxAsked)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), maxAsked*time.Second)
	}
	return 0
}

// maxAsked bounds, in seconds, how long an authority can make us wait.
const maxAsked = 7 * 24 * 3600

// notInstalledError is why a certificate that was issued is not the active one.
type notInstalledError struct{ error }

// Unwrap returns the cause.
func (e *notInstalledError) Unwrap() error { return e.error }

// notInstalledPause is how long no other certificate is asked for where one could not
// be put into service: the next would fare like it, and authorities bound how often
// they issue for the same names.
const notInstalledPause = 24 * time.Hour

// RetryAfter returns how long the authority is to be left alone: as long as it asked
// for, or as long as another certificate would be of no use; 0 where neither is so.
func RetryAfter(err error) time.Duration {
	if _, ok := errors.AsType[*notInstalledError](err); ok {
		return notInstalledPause
	}
	if e, ok := errors.AsType[*acme.Error](err); ok {
		return retryAfter(e.Header)
	}
	return 0
}

// maxProblem bounds what is shown of an authority's words.
const maxProblem = 1500

// problem is the error of an authority in words for an administrator, with what its
// problem document says (RFC 8555 §6.7).
func problem(err error, what string) error {
	text := err.Error()
	if len(text) > maxProblem {
		text = text[:maxProblem]
	}
	return &domain.Error{Kind: domain.Unavailable, Detail: what + ": " + strconv.Quote(text), Err: err}
}

// words is an error for people, without the cause: that is in the authority's own
// words, of any length, and what [problem] kept of it is in the detail already.
func words(err error) string {
	if e, ok := errors.AsType[*domain.Error](err); ok && e.Err != nil {
		return strings.TrimSuffix(err.Error(), ": "+e.Err.Error())
	}
	return err.Error()
}
