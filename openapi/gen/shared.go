package main

import "github.com/getkin/kin-openapi/openapi3"

// sharedParameters are the query parameters and request headers of the
// conventions.
func sharedParameters() openapi3.ParametersMap {
	limit := openapi3.NewIntegerSchema().WithMin(1).WithMax(1000)
	limit.Default = 100
	list := map[string]*openapi3.Parameter{
		"Limit": {
			Name: "limit", In: "query", Schema: limit.NewRef(), Example: 100,
			Description: "How many items a page has at most.",
		},
		"Cursor": {
			Name: "cursor", In: "query", Schema: openapi3.NewStringSchema().NewRef(),
			Description: "Continues a list: the next_cursor of the page before, with the same filters.",
		},
		"Wait": {
			Name: "wait", In: "query", Schema: openapi3.NewStringSchema().WithPattern(`^(0|[0-9.]+(ms|s|m))$`).NewRef(), Example: "10s",
			Description: "How long the reply may wait, up to 60s, until what was committed is in force. A reply that did not wait long enough is no failure: its headers say how far it came.",
		},
		"IdempotencyKey": {
			Name: "Idempotency-Key", In: "header", Schema: openapi3.NewStringSchema().WithMinLength(1).WithMaxLength(257).NewRef(), Example: "8e03978e-40d5-43e8-bc93-6894a57f9324",
			Description: "A key of the caller's own, new for each request. The same request with the same key is answered as the first time, for 24 hours, and takes effect once; another request with the key is 422, and 409 says that the first is under way. A reply that shows a secret (a new token, a private key) is not kept: the repeated request takes no effect and is 409.",
		},
		"Change": {
			Name: "change", In: "query", Schema: openapi3.NewStringSchema().WithMinLength(1).NewRef(), Example: "0199d2a4-6f1b-7c3e-9b7a-3d5f8e2c1a40",
			Description: "The id of an open draft to work on, instead of the configuration in force: reads show the configuration as it would be, writes take effect with the commit of the draft. The revisions in the headers stay those of now.",
		},
		"ConfirmWithin": {
			Name: "confirm_within", In: "query", Schema: openapi3.NewStringSchema().WithPattern(`^[0-9.]+(s|m|h)([0-9.]+(s|m))*$`).NewRef(), Example: "10m",
			Description: "Takes the revision back by itself after this time, 5s to 24h, unless it is confirmed before. One revision at a time may wait; 409 names it.",
		},
		"IfMatch": {
			Name: "If-Match", In: "header", Schema: openapi3.NewStringSchema().NewRef(), Example: `"0c0ad25d9f1fa3b3a2f6b1c4"`,
			Description: "The ETag that the object must have now, or * if it must exist; otherwise 412.",
		},
		"IfNoneMatch": {
			Name: "If-None-Match", In: "header", Schema: openapi3.NewStringSchema().NewRef(), Example: "*",
			Description: "On reading: the ETag that the caller has; 304 if it is still the newest. On writing: * creates and never replaces; 412 if the object exists.",
		},
		"ChangeComment": {
			Name: "Change-Comment", In: "header", Schema: openapi3.NewStringSchema().WithMaxLength(1000).NewRef(), Example: "partner moved to TLS",
			Description: "What the change is for; kept with the revision.",
		},
	}
	parameters := openapi3.ParametersMap{}
	for name, parameter := range list {
		parameters[name] = &openapi3.ParameterRef{Value: parameter}
	}
	return parameters
}

// sharedHeaders are the response headers of the conventions.
func sharedHeaders() openapi3.Headers {
	text, number := openapi3.NewStringSchema(), openapi3.NewInt64Schema()
	list := map[string]struct {
		schema      *openapi3.Schema
		description string
	}{
		"Activation-Applied":   {number, "The activation that handshakes use."},
		"Activation-Committed": {number, "The activation that the request made."},
		"Deprecation":          {text, "Present where the operation will go: since when that is known (RFC 9745)."},
		"Sunset":               {text, "When a deprecated operation goes (RFC 8594)."},
		"ETag":                 {text, "The strong entity tag of the object as it is now, for If-Match and If-None-Match."},
		"Idempotency-Replayed": {text, "true where the reply is that of an earlier request with the same Idempotency-Key."},
		"Link":                 {text, `The next page, rel="next", absent on the last one; for a deprecated operation what to read about it.`},
		"Location":             {text, "Where the new object, or the job, is."},
		"RateLimit":            {text, "How many requests the caller may send at once now."},
		"RateLimit-Policy":     {text, "The rate that every caller has: its quota, and the seconds in which it is given back."},
		"Retry-After":          {number, "How many seconds to wait before trying again."},
		"Revision-Applied":     {number, "The revision of the configuration that is in force."},
		"Revision-Committed":   {number, "The revision of the configuration that holds the change."},
		"WWW-Authenticate":     {text, "The ways to authenticate."},
		"X-Request-Id":         {text, "Finds the request in the log: the caller's own id if it sent one, else a new one."},
	}
	headers := openapi3.Headers{}
	for name, h := range list {
		headers[name] = &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{
			Description: h.description, Schema: h.schema.NewRef(),
		}}}
	}
	return headers
}

// writeNotes is what the reply to a write has beside the written document.
func writeNotes() *openapi3.SchemaRef {
	warnings := openapi3.NewArraySchema()
	warnings.Items = &openapi3.SchemaRef{Ref: "#/components/schemas/ProblemFault"}
	warnings.Description = "What an administrator should look at, although it is allowed; absent where there is nothing."
	notes := openapi3.NewObjectSchema().WithProperty("warnings", warnings)
	notes.Description = "What the reply to a write has beside the written document."
	notes.Example = map[string]any{"warnings": []any{}}
	return notes.NewRef()
}
