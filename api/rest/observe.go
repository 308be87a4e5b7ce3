package rest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/labstack/echo/v4"
)

// operationOf returns the id of the operation that the request is for; "other"
// for the documentation and for wrong paths.
func operationOf(c echo.Context) string {
	id, ok := c.Get(operationKey).(string)
	if !ok {
		return "other"
	}
	return id
}

const requestIDHeader = "X-Request-Id"

// observe stands around every request: it names it, turns panics and errors
// into problems, and writes one line to the access log.
func (a *API) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := a.now()
		header := c.Response().Header()
		header.Set(requestIDHeader, chooseRequestID(c.Request().Header.Get(requestIDHeader)))
		securityHeaders(header)
		if err := a.recovered(c, next); err != nil {
			a.fail(c, err)
		}
		took := a.now().Sub(began)
		a.measure(operationOf(c), c.Response().Status, took)
		a.logAccess(c, took.Milliseconds())
		return nil
	}
}

// recovered runs the handler; a panic becomes an error with its stack.
func (a *API) recovered(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return next(c)
}

// securityHeaders are those of a service that no browser page but its own
// documentation talks to.
func securityHeaders(header http.Header) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}

// chooseRequestID takes the caller's id if it is fit for a log, else makes one.
func chooseRequestID(offered string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if offered != "" && len(offered) <= 64 && strings.Trim(offered, allowed) == "" {
		return offered
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func requestID(c echo.Context) string { return c.Response().Header().Get(requestIDHeader) }

// logAccess writes the line of a finished request. The query is left out: it
// may hold search terms that are personal.
func (a *API) logAccess(c echo.Context, milliseconds int64) {
	r := c.Request()
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "api request",
		slog.String("request_id", requestID(c)),
		slog.String("remote", r.RemoteAddr),
		slog.String("principal", principalOf(c).Name),
		slog.String("method", shorten(r.Method, 20)),
		slog.String("path", shorten(r.URL.Path, 500)),
		slog.Int("status", c.Response().Status),
		slog.Int64("octets", c.Response().Size),
		slog.Int64("milliseconds", milliseconds),
	)
}
