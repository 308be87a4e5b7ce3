// Package resttest holds tests of the REST interface to its OpenAPI document:
// every reply that passes through its transport is validated, whatever the test
// is about, so that the document cannot drift from the truth.
package resttest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"postern/api/rest/contract"
)

// Transport returns a transport that fails the test on each reply which the
// OpenAPI document does not describe (see [contract.Contract.CheckReply]).
// Requests outside /api/v1 pass through. next may be nil for the default
// transport.
func Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{t: t, contract: c, next: next}
}

type transport struct {
	t        testing.TB
	contract *contract.Contract
	next     http.RoundTripper
}

// RoundTrip sends the request and validates the reply.
func (v *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := v.next.RoundTrip(r)
	if err != nil || !strings.HasPrefix(r.URL.Path, contract.BasePath) {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err := v.contract.CheckReply(r, response, body); err != nil {
		v.t.Errorf("%s %s answers %d against the OpenAPI document: %v\n%s", r.Method, r.URL, response.StatusCode, err, body)
	}
	return response, nil
}
