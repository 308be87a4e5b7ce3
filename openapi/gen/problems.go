package main

// problemExample is what a problem document of a status says, beside what all of
// them have.
type problemExample struct {
	name, title, detail string
	pointer, message    string // of its one fault; none where both are empty
}

// problemExamples are the examples of the statuses; a test of api/rest holds
// types and titles against those that the gateway answers with.
var problemExamples = map[int]problemExample{
	400: {"malformed", "The request cannot be read", "The body cannot be read as a document of this resource.", "/prot", "is no field here"},
	401: {"unauthenticated", "Authentication needed", "wrong name, password or token", "", ""},
	403: {"forbidden", "Not allowed", "this needs the role admin; you have viewer", "", ""},
	404: {"not-found", "Not found", "there is no such thing", "", ""},
	406: {"not-acceptable", "Not acceptable", "this resource is available as application/json only", "", ""},
	408: {"timeout", "The request took too long", "the body did not arrive within 30s", "", ""},
	409: {"conflict", "Conflict", "it is in use by a listener", "", ""},
	410: {"gone", "No longer kept", "events up to 4711 are forgotten; go on after 4711", "", ""},
	412: {"stale", "Precondition failed", "it changed since it was read", "", ""},
	413: {"too-large", "The body is too large", "the limit is 1048576 octets", "", ""},
	415: {"unsupported-media-type", "Unsupported media type", "set Content-Type to application/json", "", ""},
	422: {"invalid", "The request breaks a rule", "/port: must be from 0 to 65535", "/port", "must be from 0 to 65535"},
	429: {"exhausted", "Too many requests", "more than 200 requests a second", "", ""},
	500: {"internal", "Internal error", "Something went wrong in the gateway. Its log has the cause under the request id.", "", ""},
	503: {"unavailable", "Not available now", "the queue cannot be written", "", ""},
}

// document returns the example as the gateway would send it.
func (p problemExample) document(status int) map[string]any {
	document := map[string]any{
		"type": "/problems/" + p.name, "title": p.title, "status": status, "detail": p.detail,
		"instance": "/api/v1/listeners/inbound", "request_id": "6f1c9a52e0b34d7c8a1d2e3f40516273",
	}
	if p.message != "" {
		document["errors"] = []any{map[string]any{"pointer": p.pointer, "message": p.message}}
	}
	return document
}
