package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/job"
)

// jobBulk is the kind of jobs that write a table.
const jobBulk = "bulk"

// tables are the lists that can be read as CSV and written in bulk, and
// bulkOperations are the operations that write them.
var (
	tables         = []string{"/destination-controls", "/routes", "/starttls-exemptions", "/starttls-requirements"}
	bulkOperations = []string{"writeDestinationControls", "writeRoutes", "writeSTARTTLSExemptions", "writeSTARTTLSRequirements"}
	bulkQuery      = []string{"mode", "wait", confirmParam, changeParam}
)

// bulkTime is how long a table may take on its way here, and to be written.
const bulkTime = 5 * time.Minute

// writeBulk writes the body's rows, or begins a job that does.
func (r resource[T]) writeBulk(c echo.Context) error {
	write, err := r.bulkOf(c)
	if err != nil {
		return err
	}
	header := c.Request().Header
	if err := checkContentType(header, []string{mediaNDJSON, mediaCSV}); err != nil {
		return err
	}
	isCSV := strings.HasPrefix(strings.ToLower(header.Get("Content-Type")), mediaCSV)
	rows := func(from io.Reader) rowReader {
		if isCSV {
			return readCSV(from, columnsOf[T]())
		}
		return readNDJSON(from)
	}
	select {
	case r.api.bulkTurns <- struct{}{}: // so that a few large bodies cannot fill the memory
	default:
		return domain.E(domain.Exhausted, "%d tables are being written already: wait for one of them", maxBulkWrites)
	}
	// A writer without deadlines has none.
	control := http.NewResponseController(c.Response())
	_ = control.SetReadDeadline(time.Now().Add(bulkTime))
	_ = control.SetWriteDeadline(time.Now().Add(2 * bulkTime))
	if prefersAsync(header) {
		return write.begin(c, rows)
	}
	defer func() { <-r.api.bulkTurns }()
	return write.answer(c, rows(http.MaxBytesReader(c.Response(), c.Request().Body, bodyLimit(c))))
}

// bulkOf reads what a request says about the table that it brings.
func (r resource[T]) bulkOf(c echo.Context) (w bulkWrite[T], err error) {
	w = bulkWrite[T]{resource: r, to: r.api.configuration(c), draft: draftOf(c) != nil, told: func(int) {}}
	switch c.QueryParam("mode") {
	case "", "upsert":
	case "replace":
		w.replace = true
	default:
		return w, badQuery("mode", "must be upsert or replace")
	}
	w.act, err = actOf(c)
	return w, err
}

// prefersAsync reports whether the caller wants a job (RFC 7240 §4.1).
func prefersAsync(header http.Header) bool {
	for preference := range strings.SplitSeq(strings.Join(header.Values("Prefer"), ","), ",") {
		name, _, _ := strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(name), "respond-async") {
			return true
		}
	}
	return false
}

// answer writes the table while the caller waits.
func (w bulkWrite[T]) answer(c echo.Context, next rowReader) error {
	wait, err := waitParam(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	result, err := w.run(ctx, next)
	if err != nil {
		return bodyError(err)
	}
	if wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		_ = w.to.WaitApplied(waiting, result.Revision) // the headers say how far it came
	}
	w.api.announceRevisions(c, result.Revision)
	return reply(c, http.StatusOK, result)
}

// bodyError says what happened to a body that was read while it came.
func bodyError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &httpError{problemTooLarge, "the limit is " + strconv.FormatInt(tooLarge.Limit, 10) + " octets"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &httpError{problemTimeout, "the body did not arrive within " + bulkTime.String()}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &malformedError{detail: "The body ended early."}
	}
	return err
}

// begin takes the body in and begins a job that writes it. The turn ends with the
// job.
func (w bulkWrite[T]) begin(c echo.Context, rows func(io.Reader) rowReader) error {
	body, err := readOctets(c)
	if err != nil {
		<-w.api.bulkTurns
		return err
	}
	return w.api.startJobThen(c, jobBulk, func(ctx context.Context, p *job.Progress) (any, error) {
		p.Expect(int64(countLines(body)), "lines")
		w.told = func(n int) { p.Done(int64(n)) }
		next := rows(bytes.NewReader(body))
		result, err := w.run(ctx, func() (row, error) {
			r, err := next()
			if errors.Is(err, io.EOF) {
				p.Step("every line is read")
			}
			return r, err
		})
		if err == nil {
			p.Step("committed as revision %d: %d written, %d deleted", result.Revision, result.Written, result.Deleted)
		}
		return result, err
	}, func() { <-w.api.bulkTurns })
}

func countLines(body []byte) int {
	lines := bytes.Count(body, []byte("\n"))
	if len(body) > 0 && body[len(body)-1] != '\n' {
		lines++
	}
	return lines
}

// startJobThen begins a job and has something done at its end, also where it does
// not come to work.
func (a *API) startJobThen(c echo.Context, kind string, work job.Work, then func()) error {
	begun, err := a.jobs.Start(c.Request().Context(), job.Order{Kind: kind, Author: principalOf(c).Name, Work: work})
	if err != nil {
		then()
		return err
	}
	ctx := context.WithoutCancel(c.Request().Context())
	go func() {
		defer then()
		_, _ = a.jobs.Wait(ctx, begun.ID) // whatever came of it
	}()
	return replyJob(c, begun)
}
