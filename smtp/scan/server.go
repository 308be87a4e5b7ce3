package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postern/domain/delivery"
)

// server is one MetaDefender Core, at one URI of a profile.
type server struct {
	base   *url.URL
	http   *http.Client
	key    string // the API key; empty: none is sent
	rule   string
	timing Timing
}

// file is what is judged. Its name tells the Core what kind of file it is.
type file struct {
	name string
	body delivery.Body
}

// busyError says that a server has no room now.
type busyError struct{ wait time.Duration }

// Error says how long to wait.
func (e busyError) Error() string {
	return fmt.Sprintf("the server is busy, and asks to wait %v", e.wait)
}

// errLost says that a server no longer knows the file that it took.
var errLost = errors.New("the server has lost the file")

// judge takes a file through one server.
func (s *server) judge(ctx context.Context, f file, submission time.Duration) (verdict, error) {
	id, err := s.submit(ctx, f, submission)
	if err != nil {
		return verdict{}, err
	}
	return s.await(ctx, id)
}

// submit hands the file over, within the time, and returns its data_id.
func (s *server) submit(ctx context.Context, f file, limit time.Duration) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := s.request(ctx, http.MethodPost, "file")
	if err != nil {
		return "", err
	}
	// Core refuses chunked bodies, so the length is announced.
	request.ContentLength, request.GetBody = f.body.Size(), f.body.Open
	if request.Body, err = f.body.Open(); err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("Filename", f.name)
	if s.rule != "" {
		request.Header.Set("Rule", s.rule)
	}
	err = s.do(request, func(r io.Reader) error {
		id, err = parseSubmission(r)
		return err
	})
	return id, err
}

// maxPollFailures is how often in a row a result may fail to arrive.
const maxPollFailures = 3

// await asks for the result, ever less often, until there is a verdict.
func (s *server) await(ctx context.Context, id string) (verdict, error) {
	failures := 0
	for pause := s.timing.FirstPoll; ; pause = min(2*pause, s.timing.LastPoll) {
		if !sleep(ctx, pause) {
			return verdict{}, fmt.Errorf("the scan did not end in time: %w", ctx.Err())
		}
		v, err := s.result(ctx, id)
		switch {
		case err == nil:
			return v, nil
		case errors.Is(err, errRunning):
			failures = 0
		case errors.Is(err, errLost):
			return verdict{}, err
		default:
			if failures++; failures == maxPollFailures {
				return verdict{}, err
			}
		}
	}
}

// result asks for the result once.
func (s *server) result(ctx context.Context, id string) (v verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.Request)
	defer cancel()
	request, err := s.request(ctx, http.MethodGet, "file", id)
	if err != nil {
		return verdict{}, err
	}
	err = s.do(request, func(r io.Reader) error {
		v, err = parseResult(r)
		return err
	})
	switch {
	case s.repeatsKey(v.reason):
		v.reason = "for a reason that is not shown: it repeats our API key"
	case err != nil && s.repeatsKey(err.Error()):
		err = errMalformed
	}
	return v, err
}

// repeatsKey reports whether a text of the server repeats our API key, which must
// get into no reply and no log.
func (s *server) repeatsKey(text string) bool { return s.key != "" && strings.Contains(text, s.key) }

func (s *server) request(ctx context.Context, method string, path ...string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base.JoinPath(path...).String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "postern")
	request.Header.Set("Accept", "application/json")
	if s.key != "" {
		request.Header.Set("Apikey", s.key)
	}
	return request, nil
}

// do sends the request and has the answer read, if it is a good one.
func (s *server) do(request *http.Request, read func(io.Reader) error) error {
	response, err := s.http.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		err := read(response.Body)
		// What is left is read too, within reason, so that the connection can
		// serve again.
		_, _ = io.CopyN(io.Discard, response.Body, maxSubmissionOctets)
		return err
	case code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests:
		return busyError{s.timing.waitOf(response.Header.Get("Retry-After"))}
	case code == http.StatusNotFound && request.Method == http.MethodGet:
		return errLost
	case code/100 == 3:
		return fmt.Errorf("the server redirects (%d), which is not followed", code)
	default:
		return fmt.Errorf("the server answers %d %s", code, s.complaint(response))
	}
}

// withoutURL takes off what the HTTP client puts before each error: the address
// is known, and stands in logs once.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// complaint reads what a server says of a request that it refuses; where it says
// nothing, or repeats our key, what the status code says.
func (s *server) complaint(r *http.Response) string {
	var answer struct {
		Text string `json:"err"`
	}
	err := json.NewDecoder(io.LimitReader(r.Body, maxSubmissionOctets)).Decode(&answer)
	if err != nil || answer.Text == "" || s.repeatsKey(answer.Text) {
		return http.StatusText(r.StatusCode)
	}
	return shown(answer.Text)
}

// waitOf reads a Retry-After of seconds (RFC 9110 §10.2.3).
func (t Timing) waitOf(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 || seconds > 3600 {
		return t.Busy
	}
	return max(time.Duration(seconds)*time.Second, t.FirstPoll)
}

// sleep waits; false if the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
