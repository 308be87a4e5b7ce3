// Package resttest holds tests of the REST interface to its OpenAPI document:
// every reply that passes through its transport is validated, whatever the test
// is about, so that the document cannot drift from the truth.
package resttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"postern/openapi"
)

const basePath = "/api/v1"

// Transport returns a transport that fails the test on each reply which the
// OpenAPI document does not describe: its status, its media type, its headers,
// its body, and members of the body that the document does not know. Requests
// outside /api/v1 pass through. next may be nil for the default transport.
func Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatalf("load the OpenAPI document: %v", err)
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{t: t, doc: doc, next: next}
}

// document is read once for all tests; nothing writes to it. Pictures are text
// to the validation.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("image/svg+xml", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	return openapi3.NewLoader().LoadFromData(openapi.JSON())
})

type transport struct {
	t    testing.TB
	doc  *openapi3.T
	next http.RoundTripper
}

// RoundTrip sends the request and validates the reply.
func (v *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := v.next.RoundTrip(r)
	if err != nil || !strings.HasPrefix(r.URL.Path, basePath) {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err := v.validate(r, response, body); err != nil {
		v.t.Errorf("%s %s answers %d against the OpenAPI document: %v\n%s", r.Method, r.URL, response.StatusCode, err, body)
	}
	return response, nil
}

func (v *transport) validate(r *http.Request, response *http.Response, body []byte) error {
	route, params := v.find(r)
	if route == nil {
		return undocumented(response)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 response.StatusCode,
		Header:                 response.Header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	// A reply to HEAD has the headers of the reply to GET, and no body.
	input.Options.ExcludeResponseBody = r.Method == http.MethodHead
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		return err
	}
	return unknownMembers(route.Operation, response, body)
}

// undocumented checks the replies to requests that no operation is for.
func undocumented(response *http.Response) error {
	mediaType := response.Header.Get("Content-Type")
	switch response.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if mediaType == "application/problem+json" {
			return nil
		}
	case http.StatusNoContent: // OPTIONS
		return nil
	}
	return fmt.Errorf("no operation is documented, and this is no 404 or 405 with a problem document but %s", mediaType)
}

// find returns the operation that the request is for. Paths are compared as
// they are written, because a parameter may hold an escaped slash.
func (v *transport) find(r *http.Request) (*routers.Route, map[string]string) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), basePath)
	var found *routers.Route
	var params map[string]string
	for template, item := range v.doc.Paths.Map() {
		operation := item.GetOperation(method)
		values, ok := match(template, path)
		// A path without parameters wins over one with.
		if operation == nil || !ok || (found != nil && len(values) >= len(params)) {
			continue
		}
		found = &routers.Route{Spec: v.doc, Path: template, PathItem: item, Method: method, Operation: operation}
		params = values
	}
	return found, params
}

// match holds a path against a template and returns the parameters in it.
func match(template, path string) (map[string]string, bool) {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, segment := range want {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			value, err := url.PathUnescape(have[i])
			if err != nil {
				return nil, false
			}
			params[strings.TrimSuffix(name, "}")] = value
			continue
		}
		if segment != have[i] {
			return nil, false
		}
	}
	return params, true
}

// unknownMembers reports members of a JSON body that the document lacks, which
// validation by schema lets pass.
func unknownMembers(o *openapi3.Operation, response *http.Response, body []byte) error {
	described := o.Responses.Status(response.StatusCode)
	mediaType := response.Header.Get("Content-Type")
	if described == nil || len(body) == 0 || !strings.HasSuffix(mediaType, "json") || mediaType == "application/x-ndjson" {
		return nil
	}
	media := described.Value.Content.Get(mediaType)
	if media == nil {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return unknownIn("", value, media.Schema.Value)
}

func unknownIn(at string, value any, schema *openapi3.Schema) error {
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			if schema.Items == nil {
				break
			}
			if err := unknownIn(fmt.Sprintf("%s/%d", at, i), item, schema.Items.Value); err != nil {
				return err
			}
		}
	case map[string]any:
		return unknownInObject(at, v, schema)
	}
	return nil
}

// unknownInObject holds the members against the properties of the schema and of
// all that it is composed of. An object without any properties is a free one.
func unknownInObject(at string, object map[string]any, schema *openapi3.Schema) error {
	properties := propertiesOf(schema)
	if len(properties) == 0 {
		return nil
	}
	for name, value := range object {
		property, ok := properties[name]
		if !ok {
			return fmt.Errorf("%s/%s is not in the document", at, name)
		}
		if err := unknownIn(at+"/"+name, value, property.Value); err != nil {
			return err
		}
	}
	return nil
}

func propertiesOf(schema *openapi3.Schema) openapi3.Schemas {
	properties := openapi3.Schemas{}
	for name, property := range schema.Properties {
		properties[name] = property
	}
	for _, part := range schema.AllOf {
		for name, property := range propertiesOf(part.Value) {
			properties[name] = property
		}
	}
	return properties
}
