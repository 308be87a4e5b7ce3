package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

const problemType = "application/problem+json"

// CheckReply says in what a reply differs from the document: its status, its
// media type, its headers, its body, and members of the body that the document
// does not know. The body of the reply has been read; it is passed beside it.
func (c *Contract) CheckReply(r *http.Request, response *http.Response, body []byte) error {
	if response.Header.Get("Content-Type") == problemType && r.Method != http.MethodHead {
		if err := checkProblem(r, response, body); err != nil {
			return err
		}
	}
	route, params := c.find(r)
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
	if err := unknownHeaders(route.Operation, response); err != nil {
		return err
	}
	return unknownMembers(route.Operation, response, body)
}

// undocumented checks the replies to requests that no operation is for.
func undocumented(response *http.Response) error {
	mediaType := response.Header.Get("Content-Type")
	switch response.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if mediaType == problemType {
			return nil
		}
	case http.StatusNoContent: // OPTIONS
		return nil
	}
	return fmt.Errorf("no operation is documented, and this is no 404 or 405 with a problem document but %d %s", response.StatusCode, mediaType)
}

// everyReply are the headers that HTTP itself gives a meaning, and those by
// which browsers are held at a distance: any reply may have them.
var everyReply = map[string]bool{
	"Allow": true, "Cache-Control": true, "Connection": true, "Content-Length": true, "Content-Type": true,
	"Content-Disposition": true, "Date": true, "Vary": true,
	"Content-Security-Policy": true, "Cross-Origin-Resource-Policy": true, "Referrer-Policy": true,
	"X-Content-Type-Options": true,
}

// unknownHeaders reports headers that the document does not promise for the
// status.
func unknownHeaders(o *openapi3.Operation, response *http.Response) error {
	described := o.Responses.Status(response.StatusCode)
	if described == nil {
		return nil
	}
	known := map[string]bool{}
	for name := range described.Value.Headers {
		known[http.CanonicalHeaderKey(name)] = true
	}
	for name := range response.Header {
		if !known[name] && !everyReply[name] {
			return fmt.Errorf("the header %s is not in the document", name)
		}
	}
	return nil
}

// problem is what a problem document of ours must be (RFC 9457, spec/api.md).
type problem struct {
	Type, Title, Detail, Instance string
	Status                        int
	RequestID                     string `json:"request_id"`
	Errors                        []struct {
		Pointer *string
		Message string
	}
}

// checkProblem holds a problem document to what the schema cannot say: that it
// agrees with its own reply.
func checkProblem(r *http.Request, response *http.Response, body []byte) error {
	var p problem
	if err := json.Unmarshal(body, &p); err != nil {
		return fmt.Errorf("the problem document: %w", err)
	}
	switch {
	case p.Status != response.StatusCode:
		return fmt.Errorf("the problem document says status %d", p.Status)
	case !strings.HasPrefix(p.Type, "/problems/") || p.Title == "":
		return fmt.Errorf("the problem has type %q and title %q", p.Type, p.Title)
	case p.Instance != r.URL.EscapedPath():
		return fmt.Errorf("the problem is about %q", p.Instance)
	// A reply that is given again names the request that it was first given to.
	case p.RequestID != response.Header.Get("X-Request-Id") && response.Header.Get("Idempotency-Replayed") == "":
		return errors.New("the problem and its header have different request ids")
	}
	for _, fault := range p.Errors {
		if fault.Pointer == nil || fault.Message == "" || (*fault.Pointer != "" && (*fault.Pointer)[0] != '/') {
			return fmt.Errorf("a fault without a JSON pointer and a message in %s", body)
		}
	}
	return nil
}
