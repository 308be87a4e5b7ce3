package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"postern/domain/audit"
	"postern/domain/idempotency"
)

// Idempotency keeps replies for callers who ask again.
type Idempotency interface {
	// Begin returns the reply to the same request before; nil where it is to be
	// carried out and settled.
	Begin(ctx context.Context, k idempotency.Key, digest []byte) (*idempotency.Reply, error)
	Settle(ctx context.Context, k idempotency.Key, r idempotency.Reply) error
}

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

// idempotent lets a POST with an Idempotency-Key take effect once: the same key
// with the same request is answered as the first time, for 24 hours. Other
// methods are idempotent by themselves.
func (a *API) idempotent(o operation, next echo.HandlerFunc) echo.HandlerFunc {
	if o.method != http.MethodPost {
		return next
	}
	return func(c echo.Context) error {
		lines := c.Request().Header.Values(headerIdempotencyKey)
		if len(lines) == 0 {
			return next(c)
		}
		text, err := idempotency.ParseKey(lines[0])
		if err != nil || len(lines) > 1 {
			return &malformedError{detail: "The header Idempotency-Key must be one key of 1 to 255 printable characters without spaces."}
		}
		caller := principalOf(c)
		key := idempotency.Key{Caller: caller.Name + "\x00" + caller.Token, Operation: o.id, Text: text}
		digest, err := takeRequest(c)
		if err != nil {
			return err
		}
		return a.once(c, o, key, digest, next)
	}
}

// secretReplies are the operations whose reply shows a secret that is shown once
// (B45, B73).
var secretReplies = [...]string{"exportCertificate", "createToken"}

// once carries the request out, or answers as the first time. A reply with a secret
// is not kept: the claim stays without one, so that the request takes effect once
// and who repeats it is told so.
func (a *API) once(c echo.Context, o operation, key idempotency.Key, digest []byte, next echo.HandlerFunc) error {
	// Who goes away and asks again must find the reply, not half of the work.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), writeTimeout)
	defer cancel()
	c.SetRequest(c.Request().WithContext(ctx))
	earlier, err := a.idempotency.Begin(ctx, key, digest)
	if err != nil {
		return err
	}
	if earlier != nil {
		return a.replayed(c, o, earlier)
	}
	w := c.Response()
	kept := &keptReply{ResponseWriter: w.Writer}
	w.Writer = kept
	if err := next(c); err != nil {
		a.fail(c, err)
	}
	w.Writer = kept.ResponseWriter
	if w.Status/100 == 2 && slices.Contains(secretReplies[:], o.id) {
		return nil
	}
	reply := idempotency.Reply{Status: w.Status, Header: keptHeader(w.Header()), Body: kept.body.Bytes()}
	if err := a.idempotency.Settle(ctx, key, reply); err != nil {
		// The claim stays, so that the request is not carried out twice.
		a.log.ErrorContext(ctx, "the reply of an idempotency key is not kept", "request_id", requestID(c), "error", err)
	}
	return nil
}

// takeRequest reads the body, so that it can be read again, and returns a digest
// of all that makes the request what it is.
func takeRequest(c echo.Context) (digest []byte, err error) {
	r := c.Request()
	body, err := readOctets(c)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.New()
	parts := []string{r.Method, r.URL.RequestURI()}
	for _, name := range []string{"Content-Type", "If-Match", "If-None-Match", headerComment} {
		parts = append(parts, r.Header.Values(name)...)
		parts = append(parts, name)
	}
	for _, part := range append(parts, string(body)) {
		one := sha256.Sum256([]byte(part)) // of one length, so that parts cannot run together
		sum.Write(one[:])
	}
	return sum.Sum(nil), nil
}

// keptHeader leaves out what belongs to one request.
func keptHeader(header http.Header) http.Header {
	kept := header.Clone()
	for _, name := range []string{requestIDHeader, "RateLimit", "RateLimit-Policy"} {
		kept.Del(name)
	}
	return kept
}

// replayed answers as the first time, between two entries of the audit log: the
// reply may reveal once more what is shown once (B73).
func (a *API) replayed(c echo.Context, o operation, r *idempotency.Reply) error {
	ctx := c.Request().Context()
	begun, err := a.audit.Begin(ctx, auditEntry(c, o))
	if err != nil {
		return err
	}
	err = replay(c, r)
	outcome := audit.Entry{Status: r.Status, After: audit.RedactValue(map[string]any{"idempotency_replayed": true})}
	if err := a.audit.Finish(ctx, begun, outcome); err != nil {
		a.log.ErrorContext(ctx, "the audit log lacks an outcome", "request_id", requestID(c), "error", err)
	}
	return err
}

// replay answers as the first time.
func replay(c echo.Context, r *idempotency.Reply) error {
	header := c.Response().Header()
	for name, values := range r.Header {
		header[name] = slices.Clone(values)
	}
	header.Set(headerReplayed, "true")
	c.Response().WriteHeader(r.Status)
	_, _ = c.Response().Write(r.Body) // a client that went away is not our failure
	return nil
}

// keptReply keeps a reply while it is written, up to a little more than is kept.
type keptReply struct {
	http.ResponseWriter
	body bytes.Buffer
}

// Write writes to the caller and keeps what was written.
func (k *keptReply) Write(part []byte) (int, error) {
	if k.body.Len() <= idempotency.MaxReply {
		k.body.Write(part)
	}
	return k.ResponseWriter.Write(part)
}

// Unwrap is for [http.ResponseController].
func (k *keptReply) Unwrap() http.ResponseWriter { return k.ResponseWriter }
