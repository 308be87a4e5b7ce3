package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// shape is what the operations that follow one convention have in common,
// beside what their comments say.
type shape struct {
	parameters []string // names in components/parameters
	headers    []string // names in components/headers, of the good replies
	failures   []int    // statuses beside those that every operation can have
	unchanged  bool     // 304 is a possible reply
	notes      bool     // the good reply has WriteNotes beside the document
}

var shapes = map[string]shape{
	"": {},
	"list": {
		parameters: []string{"Limit", "Cursor"},
		headers:    []string{"Link"},
	},
	"read": {
		parameters: []string{"IfNoneMatch"},
		headers:    []string{"ETag"},
		failures:   []int{404},
		unchanged:  true,
	},
	// Reads what always exists.
	"tagged": {
		parameters: []string{"IfNoneMatch"},
		headers:    []string{"ETag"},
		unchanged:  true,
	},
	"replace": {
		parameters: []string{"Wait", "ConfirmWithin", "Change", "IfMatch", "IfNoneMatch", "ChangeComment"},
		headers:    []string{"ETag", "Revision-Committed", "Revision-Applied"},
		failures:   []int{404, 408, 409, 412, 413, 415, 422},
		notes:      true,
	},
	"patch": {
		parameters: []string{"Wait", "ConfirmWithin", "Change", "IfMatch", "ChangeComment"},
		headers:    []string{"ETag", "Revision-Committed", "Revision-Applied"},
		failures:   []int{404, 408, 409, 412, 413, 415, 422},
		notes:      true,
	},
	"delete": {
		parameters: []string{"Wait", "ConfirmWithin", "Change", "IfMatch", "ChangeComment"},
		headers:    []string{"Revision-Committed", "Revision-Applied"},
		failures:   []int{404, 409, 412, 422},
	},
	// A POST that makes a revision.
	"change": {
		parameters: []string{"Wait", "ConfirmWithin", "ChangeComment"},
		headers:    []string{"Revision-Committed", "Revision-Applied"},
		failures:   []int{404, 409, 422},
		notes:      true,
	},
	// A POST that writes a table.
	"bulk": {
		parameters: []string{"Wait", "ConfirmWithin", "Change", "ChangeComment"},
		headers:    []string{"Revision-Committed", "Revision-Applied"},
		failures:   []int{404, 409, 412, 415, 422},
	},
	// A POST that makes an object.
	"create": {
		headers:  []string{"ETag"},
		failures: []int{408, 413, 415, 422},
	},
	// Changes what is no configuration by a merge patch.
	"update": {
		parameters: []string{"IfMatch"},
		headers:    []string{"ETag"},
		failures:   []int{404, 408, 409, 412, 413, 415, 422},
	},
	// A PUT that makes or replaces what is no configuration.
	"put": {
		parameters: []string{"IfMatch", "IfNoneMatch"},
		headers:    []string{"ETag"},
		failures:   []int{408, 412, 413, 415, 422},
	},
	// Acts on certificates, which are committed outside the configuration.
	"activate": {
		parameters: []string{"Wait", "IfMatch"},
		headers:    []string{"ETag", "Activation-Committed", "Activation-Applied"},
		failures:   []int{404, 412, 422},
	},
	"match": {
		parameters: []string{"IfMatch"},
		failures:   []int{404, 409, 412},
	},
	"revert": {
		parameters: []string{"Wait"},
		headers:    []string{"ETag", "Activation-Committed", "Activation-Applied"},
		failures:   []int{404, 422},
	},
	// A PUT to a part of a certificate that exists.
	"install": {
		parameters: []string{"IfMatch"},
		headers:    []string{"ETag"},
		failures:   []int{404, 408, 412, 413, 415, 422},
	},
	// Changes what is no configuration, on a condition.
	"conditional": {
		parameters: []string{"IfMatch"},
		failures:   []int{412},
	},
	// A POST with a body that only asks a question.
	"ask": {
		failures: []int{404, 408, 413, 415, 422},
	},
}

// everyFailure are the statuses that every operation can have.
var everyFailure = []int{400, 401, 403, 406, 429, 500, 503}

// finish adds what is common to the document as swag and the converter left it.
func finish(doc *openapi3.T, examples string) error {
	doc.Servers = openapi3.Servers{{URL: "/api/v1", Description: "The management listener of this gateway"}}
	doc.Components.Parameters = sharedParameters()
	doc.Components.Headers = sharedHeaders()
	doc.Components.Responses = problemResponses()
	doc.Components.SecuritySchemes = securitySchemes()
	doc.Security = openapi3.SecurityRequirements{{"bearer": {}}, {"basic": {}}}
	doc.Components.Schemas["WriteNotes"] = writeNotes()
	finishSchemas(doc.Components.Schemas)
	drafts := draftReads(doc)
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, operation := range doc.Paths.Value(path).Operations() {
			addScope(operation, method, path)
			if drafts[operation] {
				addChange(operation)
			}
			if err := finishOperation(operation, method); err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
		}
	}
	addPatchSchemas(doc)
	return addExamples(doc, examples)
}

func finishOperation(o *openapi3.Operation, method string) error {
	name, _ := o.Extensions["x-shape"].(string)
	s, ok := shapes[name]
	if !ok {
		return fmt.Errorf("there is no shape %q", name)
	}
	delete(o.Extensions, "x-shape")
	if method == http.MethodPost {
		s = repeatable(s)
	}
	if err := describeRole(o); err != nil {
		return err
	}
	addMediaTypes(o)
	if name == "list" {
		addLines(o)
	}
	for _, p := range o.Parameters {
		if p.Value != nil {
			delete(p.Value.Extensions, "x-originalParamName")
		}
	}
	if o.RequestBody != nil {
		delete(o.RequestBody.Value.Extensions, "x-originalParamName")
	}
	for _, parameter := range s.parameters {
		o.Parameters = append(o.Parameters, &openapi3.ParameterRef{Ref: "#/components/parameters/" + parameter})
	}
	addFailures(o, s)
	for status, response := range o.Responses.Map() {
		if code, _ := strconv.Atoi(status); code < 300 {
			finishGoodReply(response.Value, code, s)
		}
	}
	return nil
}

// repeatable adds what every POST has: it takes effect once for each key.
func repeatable(s shape) shape {
	s.parameters = append(slices.Clone(s.parameters), "IdempotencyKey")
	s.headers = append(slices.Clone(s.headers), "Idempotency-Replayed")
	s.failures = append(slices.Clone(s.failures), 408, 409, 413, 422)
	return s
}

// addMediaTypes adds those that x-also names beside the one of the comment. They
// are text to the document, whatever is in them.
func addMediaTypes(o *openapi3.Operation) {
	also, _ := o.Extensions["x-also"].([]any)
	delete(o.Extensions, "x-also")
	for _, mediaType := range also {
		good := o.Responses.Status(http.StatusOK).Value
		good.Content[mediaType.(string)] = openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema())
	}
}

// mediaLines is a list as one document a line.
const mediaLines = "application/x-ndjson"

// addLines lets a list be read line by line. The lines are text to the document.
func addLines(o *openapi3.Operation) {
	lines := openapi3.NewStringSchema()
	lines.Description = "One item a line; without a limit the whole list."
	o.Responses.Status(http.StatusOK).Value.Content[mediaLines] = openapi3.NewMediaType().WithSchema(lines)
}

// describeRole says in words what x-role says to programs.
func describeRole(o *openapi3.Operation) error {
	role, _ := o.Extensions["x-role"].(string)
	if role == "" {
		return fmt.Errorf("x-role is missing")
	}
	if o.Description != "" {
		o.Description += "\n\n"
	}
	o.Description += fmt.Sprintf("Needs the role `%s` and the scope `%s`.", role, o.Extensions["x-scope"])
	return nil
}

// addFailures lists the problems that the operation can answer with: those of
// its shape, those of its comment, and those of every operation.
func addFailures(o *openapi3.Operation, s shape) {
	statuses := slices.Concat(everyFailure, s.failures)
	for status := range o.Responses.Map() {
		if code, err := strconv.Atoi(status); err == nil && code >= 400 {
			statuses = append(statuses, code)
		}
	}
	for _, code := range statuses {
		o.Responses.Set(strconv.Itoa(code), &openapi3.ResponseRef{Ref: "#/components/responses/" + problemName(code)})
	}
	if s.unchanged {
		o.Responses.Set("304", openapi3RefTo("NotModified"))
	}
	o.Responses.Delete("default")
}

func openapi3RefTo(response string) *openapi3.ResponseRef {
	return &openapi3.ResponseRef{Ref: "#/components/responses/" + response}
}

func finishGoodReply(r *openapi3.Response, code int, s shape) {
	if r.Description == nil || *r.Description == "" {
		r.Description = ptr("Done")
	}
	headers := slices.Concat(everyHeader, s.headers)
	if code == http.StatusCreated || code == http.StatusAccepted {
		headers = append(headers, "Location")
	}
	if r.Headers == nil {
		r.Headers = openapi3.Headers{}
	}
	maps.Copy(r.Headers, headersOf(headers))
	if !s.notes {
		return
	}
	for mediaType, media := range r.Content {
		if mediaType != "application/json" {
			continue // a text has no members
		}
		media.Schema = openapi3.NewSchemaRef("", &openapi3.Schema{
			AllOf: openapi3.SchemaRefs{media.Schema, {Ref: "#/components/schemas/WriteNotes"}},
		})
	}
}

func problemName(code int) string { return "Problem" + strconv.Itoa(code) }

func problemResponses() openapi3.ResponseBodies {
	responses := openapi3.ResponseBodies{
		"NotModified": {Value: &openapi3.Response{
			Description: ptr("The caller has the newest representation already"),
			Headers:     headersOf(append([]string{"ETag"}, everyHeader...)),
		}},
	}
	for code, example := range problemExamples {
		response := &openapi3.Response{
			Description: ptr(http.StatusText(code)),
			Content: openapi3.Content{"application/problem+json": {
				Schema:  &openapi3.SchemaRef{Ref: "#/components/schemas/Problem"},
				Example: example.document(code),
			}},
			Headers: headersOf(slices.Concat(everyHeader, failureHeaders[code], []string{"Idempotency-Replayed"})),
		}
		responses[problemName(code)] = &openapi3.ResponseRef{Value: response}
	}
	return responses
}

// everyHeader are the headers of every reply; a caller that is not known has no
// rate yet.
var everyHeader = []string{"X-Request-Id", "RateLimit", "RateLimit-Policy", "Deprecation", "Sunset", "Link"}

func headersOf(names []string) openapi3.Headers {
	headers := openapi3.Headers{}
	for _, name := range names {
		headers[name] = &openapi3.HeaderRef{Ref: "#/components/headers/" + name}
	}
	return headers
}

var failureHeaders = map[int][]string{
	401: {"WWW-Authenticate"},
	412: {"ETag"},
	429: {"Retry-After"},
	503: {"Retry-After"},
}

func securitySchemes() openapi3.SecuritySchemes {
	return openapi3.SecuritySchemes{
		"bearer": {Value: &openapi3.SecurityScheme{Type: "http", Scheme: "bearer", Description: "A token of an administrator or a machine"}},
		"basic":  {Value: &openapi3.SecurityScheme{Type: "http", Scheme: "basic", Description: "Name and password of an administrator"}},
	}
}

func ptr[T any](v T) *T { return &v }

// sortedKeys makes the order of errors repeatable.
func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
