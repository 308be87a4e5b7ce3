package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/eventlog"
)

// Problem is the reply to a request that failed (RFC 9457).
type Problem struct {
	// Type is a path on this server that explains the sort of problem.
	Type string `json:"type" example:"/problems/invalid"`
	// Title names the sort of problem in a few words.
	Title string `json:"title" example:"The request breaks a rule"`
	// Status is the HTTP status code.
	Status int `json:"status" example:"422"`
	// Detail says what is wrong with this request.
	Detail string `json:"detail,omitempty" example:"/port: must be from 0 to 65535"`
	// Instance is the path of the request, escaped as it was sent.
	Instance string `json:"instance,omitempty" example:"/api/v1/listeners/public"`
	// RequestID finds the request in the log.
	RequestID string `json:"request_id,omitempty" example:"6f1c9a52e0b34d7c8a1d2e3f40516273"`
	// Errors are all faults of the request, where it has several parts.
	Errors []ProblemFault `json:"errors,omitempty"`
}

// ProblemFault is one fault of a request body.
type ProblemFault struct {
	// Pointer is a JSON pointer (RFC 6901) into the request body; empty means the body as a whole.
	Pointer string `json:"pointer" example:"/port"`
	// Message says what is wrong there and how to mend it.
	Message string `json:"message" example:"must be from 0 to 65535"`
	// Line of the request body, from 1, where it is read line by line; the pointer leads into the document of the line.
	Line int `json:"line,omitempty" example:"17"`
}

// problemType is a sort of problem: what is the same in every reply of the sort.
type problemType struct {
	name    string // last segment of the type's path
	status  int
	title   string
	meaning string // for the page behind the path
}

// The one table from kinds of failure to HTTP (design.md section 7).
var problemOfKind = [...]problemType{
	domain.Internal:        {"internal", 500, "Internal error", "Something went wrong in the gateway. Its log has the cause under the request id."},
	domain.Invalid:         {"invalid", 422, "The request breaks a rule", "The body could be read, but values in it break rules. The errors say which and where."},
	domain.NotFound:        {"not-found", 404, "Not found", "There is no such thing, or no such path."},
	domain.Conflict:        {"conflict", 409, "Conflict", "The thing is in use, or exists already. Change what holds it first."},
	domain.Stale:           {"stale", 412, "Precondition failed", "The thing changed since it was read. Read it again and repeat with the new ETag."},
	domain.Unauthenticated: {"unauthenticated", 401, "Authentication needed", "No credentials, or wrong ones. Send a bearer token or an administrator's password."},
	domain.Forbidden:       {"forbidden", 403, "Not allowed", "The credentials are good, but their role does not allow this."},
	domain.Exhausted:       {"exhausted", 429, "Too many requests", "A limit is reached. Retry-After says when to try again."},
	domain.Unavailable:     {"unavailable", 503, "Not available now", "This cannot be done now. Trying again later may help."},
}

// Problems that only HTTP knows.
var (
	problemMalformed   = problemType{"malformed", 400, "The request cannot be read", "The body or the query is not what the API allows at all: no JSON, unknown fields, keys that occur twice."}
	problemMethod      = problemType{"method-not-allowed", 405, "Method not allowed", "The path exists, the method does not. The Allow header lists those that do."}
	problemAcceptable  = problemType{"not-acceptable", 406, "Not acceptable", "The Accept header admits no representation that this resource has."}
	problemTooLarge    = problemType{"too-large", 413, "The body is too large", "The body is larger than this operation takes."}
	problemContentType = problemType{"unsupported-media-type", 415, "Unsupported media type", "The body has a media type or encoding that this operation does not take."}
	problemGone        = problemType{"gone", 410, "No longer kept", "Events between the one that was named and the oldest that is kept are forgotten, or the log was restored. Load the state anew, and go on from where the detail says."}
	problemTimeout     = problemType{"timeout", 408, "The request took too long", "The body did not arrive in time."}
)

func allProblemTypes() []problemType {
	all := []problemType{problemMalformed, problemMethod, problemAcceptable, problemTooLarge, problemContentType, problemTimeout, problemGone}
	return append(all, problemOfKind[:]...)
}

// httpError is a failure that only HTTP knows.
type httpError struct {
	problem problemType
	detail  string
}

// Error returns the detail.
func (e *httpError) Error() string { return e.detail }

// problemOf translates an error. What is not classified is internal, and its
// text stays in the log.
func problemOf(err error) (problemType, Problem) {
	if e, ok := errors.AsType[*malformedError](err); ok {
		return problemMalformed, Problem{Detail: e.detail, Errors: problemFaults(e.faults)}
	}
	if e, ok := errors.AsType[*eventlog.GoneError](err); ok {
		return problemGone, Problem{Detail: e.Error()}
	}
	if e, ok := errors.AsType[*httpError](err); ok {
		return e.problem, Problem{Detail: e.detail}
	}
	if e, ok := errors.AsType[*domain.Error](err); ok && e.Kind != domain.Internal && int(e.Kind) < len(problemOfKind) {
		return problemOfKind[e.Kind], Problem{Detail: e.Detail, Errors: problemFaults(faultsOrField(e))}
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		return problemOfStatus(e.Code), Problem{}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return problemOfKind[domain.Unavailable], Problem{Detail: "the work took too long"}
	}
	internal := problemOfKind[domain.Internal]
	return internal, Problem{Detail: internal.meaning}
}

// problemOfStatus names the refusals of the router.
func problemOfStatus(status int) problemType {
	switch status {
	case http.StatusNotFound:
		return problemOfKind[domain.NotFound]
	case http.StatusMethodNotAllowed:
		return problemMethod
	}
	return problemOfKind[domain.Internal]
}

func faultsOrField(e *domain.Error) domain.Faults {
	if len(e.Faults) == 0 && e.Field != "" {
		return domain.Faults{{Pointer: e.Field, Message: e.Detail}}
	}
	return e.Faults
}

func problemFaults(faults domain.Faults) []ProblemFault {
	list := make([]ProblemFault, len(faults))
	for i, fault := range faults {
		list[i] = ProblemFault{Pointer: fault.Pointer, Message: fault.Message, Line: fault.Line}
	}
	return list
}

// maxDetailOctets bounds the detail, which may hold what the caller sent.
const maxDetailOctets = 2000

// fail answers a request with the problem of its error, and logs the cause: the
// one place where either happens.
func (a *API) fail(c echo.Context, err error) {
	if c.Response().Committed {
		a.log.ErrorContext(c.Request().Context(), "request failed after its reply began", "request_id", requestID(c), "error", err)
		return
	}
	sort, problem := problemOf(err)
	problem.Type = problemPath + sort.name
	problem.Title, problem.Status = sort.title, sort.status
	problem.Detail = shorten(problem.Detail, maxDetailOctets)
	problem.Instance, problem.RequestID = c.Request().URL.EscapedPath(), requestID(c)
	a.logFailure(c, sort, err)
	failureHeaders(c.Response().Header(), sort.status, err)
	_ = replyRaw(c, sort.status, "application/problem+json", append(mustJSON(problem), '\n'))
}

// logFailure logs causes that the reply withholds. Refusals are in the access
// log already.
func (a *API) logFailure(c echo.Context, sort problemType, err error) {
	level := slog.LevelDebug
	if sort.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.log.Log(c.Request().Context(), level, "request failed",
		"request_id", requestID(c), "problem", sort.name, "error", err)
}

// retryAfter is how long a caller waits whom nobody told better.
const retryAfter = 5 * time.Second

func failureHeaders(header http.Header, status int, err error) {
	header.Del("Content-Length")
	header.Set("Cache-Control", "no-store")
	switch status {
	case http.StatusUnauthorized:
		// RFC 9110 §15.5.2: a 401 carries a challenge for each scheme.
		header.Add("WWW-Authenticate", `Bearer realm="postern"`)
		header.Add("WWW-Authenticate", `Basic realm="postern", charset="UTF-8"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(secondsToWait(err)))
	}
}

// secondsToWait asks the error how long to wait, in whole seconds rounded up.
func secondsToWait(err error) int {
	wait := retryAfter
	var knows interface{ RetryAfter() time.Duration }
	if errors.As(err, &knows) {
		wait = knows.RetryAfter()
	}
	return max(1, int((wait+time.Second-1)/time.Second))
}

// problemPath is where the problem types are explained.
const problemPath = "/problems/"

// problemPage explains a problem type to a person who follows its path.
func problemPage(c echo.Context) error {
	for _, sort := range allProblemTypes() {
		if sort.name == c.Param("name") {
			return reply(c, http.StatusOK, map[string]any{
				"type": problemPath + sort.name, "title": sort.title, "status": sort.status, "meaning": sort.meaning,
			})
		}
	}
	return domain.E(domain.NotFound, "there is no problem type of that name")
}
