package rest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/audit"
)

// AuditLog keeps who did what (B73).
type AuditLog interface {
	Begin(ctx context.Context, e audit.Entry) (audit.Entry, error)
	Finish(ctx context.Context, begun, outcome audit.Entry) error
	Refused(ctx context.Context, e audit.Entry) error
	List(ctx context.Context, q audit.Query) ([]audit.Entry, error)
	Verify(ctx context.Context) (audit.Verification, error)
}

// isAudited reports whether the operation changes or reveals something (B73): all
// that is no reading, and all reading that a viewer may not, since a viewer
// reads everything but secrets and mail.
func (o operation) isAudited() bool {
	return o.method != http.MethodGet || o.role != account.RoleViewer
}

// readersOf returns the operations that show one thing and reveal nothing, by
// their path.
func readersOf(operations []operation) map[string]operation {
	readers := make(map[string]operation)
	for _, o := range operations {
		if !o.isAudited() && !o.isList() {
			readers[o.path] = o
		}
	}
	return readers
}

func (o operation) isList() bool { return slices.Contains(o.query, "cursor") }

// audited puts the audit log around the handler of an operation that needs it:
// the call is announced before anything happens, and cannot happen otherwise;
// what came of it is recorded behind it.
func (a *API) audited(o operation) echo.HandlerFunc {
	if !o.isAudited() || o.id == verifyAuditLogOperation {
		return o.handler
	}
	return func(c echo.Context) error {
		begun, err := a.audit.Begin(c.Request().Context(), auditEntry(c, o))
		if err != nil {
			return err
		}
		var outcome audit.Entry
		if o.method == http.MethodGet {
			err = o.handler(c)
		} else {
			outcome, err = a.recorded(c, o)
		}
		outcome.Status = c.Response().Status
		if err != nil {
			sort, _ := problemOf(err)
			outcome.Status = sort.status
		}
		if err := a.audit.Finish(c.Request().Context(), begun, outcome); err != nil {
			// It was announced; that it happened cannot be taken back.
			a.log.ErrorContext(c.Request().Context(), "the audit log lacks an outcome", "request_id", requestID(c), "error", err)
		}
		return err
	}
}

func auditEntry(c echo.Context, o operation) audit.Entry {
	r := c.Request()
	return audit.Entry{
		Actor: principalOf(c).Name, From: remoteAddr(r).String(), Interface: audit.REST,
		RequestID: requestID(c), Operation: o.id, Target: r.URL.RequestURI(),
	}
}

// recorded runs a handler that changes something, and returns what was asked,
// and what the thing was before and is after.
func (a *API) recorded(c echo.Context, o operation) (e audit.Entry, err error) {
	reader, readable := a.readerOf(o.path)
	if readable {
		e.Before = a.shown(c, reader)
	}
	asked, answered := new(audit.Taken), new(audit.Taken)
	r, w := c.Request(), c.Response()
	r.Body = takenBody{io.TeeReader(r.Body, asked), r.Body}
	under := w.Writer
	w.Writer = takenReply{under, answered}
	err = o.handler(c)
	w.Writer = under
	e.Request = asked.Document()
	if err != nil {
		return e, err
	}
	e.Revision, _ = strconv.ParseInt(w.Header().Get(headerCommitted), 10, 64)
	e.After = answered.Document()
	if o.method == http.MethodDelete {
		e.After = nil
	} else if readable && (e.After == nil || o.method == http.MethodPost) {
		e.After = a.shown(c, reader)
	}
	return e, nil
}

// readerOf finds the operation that shows what a write at the path changes: it
// is at the same path, or, for actions, one level above.
func (a *API) readerOf(at string) (operation, bool) {
	o, found := a.readers[at]
	if !found {
		o, found = a.readers[path.Dir(at)]
	}
	return o, found
}

// shown returns what the reader shows of the thing that the request is about;
// nil where there is nothing. The API shows no secrets, so neither does this.
func (a *API) shown(c echo.Context, reader operation) json.RawMessage {
	asked := c.Request()
	r := asked.Clone(asked.Context())
	r.Method, r.Body, r.Header = http.MethodGet, http.NoBody, http.Header{}
	query := r.URL.Query()
	for name := range query {
		if !slices.Contains(reader.query, name) {
			query.Del(name)
		}
	}
	r.URL.RawQuery = query.Encode()
	w := &takenAside{header: http.Header{}}
	inner := a.echo.NewContext(r, w)
	inner.SetParamNames(c.ParamNames()...)
	inner.SetParamValues(c.ParamValues()...)
	if view := c.Get(configurationKey); view != nil {
		inner.Set(configurationKey, view) // that of a draft
	}
	if err := reader.handler(inner); err != nil || w.status != http.StatusOK {
		return nil
	}
	return w.Document()
}

// auditRefusal records that a caller may not do this. That there is no caller
// the authenticator records itself.
func (a *API) auditRefusal(c echo.Context, o operation, refusal error) {
	if domain.KindOf(refusal) != domain.Forbidden {
		return
	}
	e := auditEntry(c, o)
	e.Status = http.StatusForbidden
	if err := a.audit.Refused(c.Request().Context(), e); err != nil {
		a.log.ErrorContext(c.Request().Context(), "the audit log lacks a refusal", "request_id", requestID(c), "error", err)
	}
}

// takenBody is a request body that is kept while it is read.
type takenBody struct {
	io.Reader
	io.Closer
}

// takenReply is a reply that is kept while it is written.
type takenReply struct {
	http.ResponseWriter
	kept *audit.Taken
}

// Write writes to the caller and keeps what was written.
func (t takenReply) Write(part []byte) (int, error) {
	_, _ = t.kept.Write(part) // never fails
	return t.ResponseWriter.Write(part)
}

// Unwrap is for [http.ResponseController].
func (t takenReply) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// takenAside is a reply that nobody gets.
type takenAside struct {
	audit.Taken
	header http.Header
	status int
}

// Header returns the header of the reply.
func (t *takenAside) Header() http.Header { return t.header }

// WriteHeader keeps the status.
func (t *takenAside) WriteHeader(status int) { t.status = status }
