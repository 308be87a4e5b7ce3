// Package contract holds the REST interface to its OpenAPI document: it finds
// the operation that a request is for and says in what a reply differs from
// what the document promises. Tests and the fuzz of the interface judge by it.
package contract

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"postern/openapi"
)

// BasePath is where the operations of the document live.
const BasePath = "/api/v1"

// Contract is the OpenAPI document as a judge. It may be used by several
// goroutines at once.
type Contract struct{ doc *openapi3.T }

// Load returns the contract of this build. It is read once; nothing writes to
// it.
var Load = sync.OnceValues(func() (*Contract, error) {
	// Pictures, and what comes line by line, are text to the validation.
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("image/svg+xml", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	doc, err := openapi3.NewLoader().LoadFromData(openapi.JSON())
	if err != nil {
		return nil, fmt.Errorf("load the OpenAPI document: %w", err)
	}
	return &Contract{doc}, nil
})

// Operation is one method on one path of the document.
type Operation struct {
	*openapi3.Operation
	Method string
	// Path is the template below [BasePath], such as /listeners/{name}.
	Path string
}

// Role is the role that the operation needs.
func (o Operation) Role() string {
	role, _ := o.Extensions["x-role"].(string)
	return role
}

// Operations returns all operations, in the order of their paths and methods.
func (c *Contract) Operations() []Operation {
	var list []Operation
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			list = append(list, Operation{operation, method, path})
		}
	}
	slices.SortFunc(list, func(a, b Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return list
}

// find returns the operation that the request is for. Paths are compared as
// they are written, because a parameter may hold an escaped slash.
func (c *Contract) find(r *http.Request) (*routers.Route, map[string]string) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), BasePath)
	var found *routers.Route
	var params map[string]string
	for template, item := range c.doc.Paths.Map() {
		operation := item.GetOperation(method)
		values, ok := match(template, path)
		// A path without parameters wins over one with.
		if operation == nil || !ok || (found != nil && len(values) >= len(params)) {
			continue
		}
		found = &routers.Route{Spec: c.doc, Path: template, PathItem: item, Method: method, Operation: operation}
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
