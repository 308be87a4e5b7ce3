package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
)

func TestProblemOfEveryKind(t *testing.T) {
	tests := []struct {
		err    error
		status int
		name   string
	}{
		{domain.E(domain.Invalid, "x"), 422, "invalid"},
		{domain.E(domain.NotFound, "x"), 404, "not-found"},
		{domain.E(domain.Conflict, "x"), 409, "conflict"},
		{domain.E(domain.Stale, "x"), 412, "stale"},
		{domain.E(domain.Unauthenticated, "x"), 401, "unauthenticated"},
		{domain.E(domain.Forbidden, "x"), 403, "forbidden"},
		{domain.E(domain.Exhausted, "x"), 429, "exhausted"},
		{domain.E(domain.Unavailable, "x"), 503, "unavailable"},
		{domain.E(domain.Internal, "secret"), 500, "internal"},
		{errors.New("secret"), 500, "internal"},
		{domain.E(domain.Kind(99), "secret"), 500, "internal"},
		{domain.Wrap(domain.E(domain.NotFound, "x"), "secret"), 404, "not-found"},
		{context.DeadlineExceeded, 503, "unavailable"},
		{&malformedError{detail: "x"}, 400, "malformed"},
		{echo.ErrNotFound, 404, "not-found"},
		{echo.ErrMethodNotAllowed, 405, "method-not-allowed"},
		{echo.ErrTeapot, 500, "internal"},
	}
	for _, tt := range tests {
		sort, problem := problemOf(tt.err)
		if sort.status != tt.status || sort.name != tt.name {
			t.Errorf("%v: %d %s, want %d %s", tt.err, sort.status, sort.name, tt.status, tt.name)
		}
		if strings.Contains(problem.Detail, "secret") {
			t.Errorf("%v: the detail tells the cause: %q", tt.err, problem.Detail)
		}
	}
}

func TestProblemTypesAreExplained(t *testing.T) {
	f := newFixture(t)
	for _, sort := range allProblemTypes() {
		page := decoded[map[string]any](f.call("GET", problemPath+sort.name, "").want(http.StatusOK))
		if page["meaning"] == "" || page["title"] != sort.title {
			t.Errorf("%s: %v", sort.name, page)
		}
	}
	f.call("GET", problemPath+"other", "").want(http.StatusNotFound)
}

// Whatever is wrong with a request, the answer is a problem document that says
// so, and names the request.
func TestRefusalsOfHTTP(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/domains/example.com"
	tests := map[string]struct {
		answer answer
		status int
	}{
		"no such path":      {f.call("GET", "/api/v1/nothing", ""), 404},
		"no such method":    {f.call("POST", path, ""), 405},
		"no content type":   {f.call("PUT", path, `{}`, "Content-Type", ""), 415},
		"other type":        {f.call("PUT", path, `{}`, "Content-Type", "text/plain"), 415},
		"other charset":     {f.call("PUT", path, `{}`, "Content-Type", "application/json; charset=latin1"), 415},
		"plain patch":       {f.call("PATCH", path, `{}`, "Content-Type", "application/json"), 415},
		"content encoding":  {f.call("PUT", path, `{}`, "Content-Encoding", "gzip"), 415},
		"not acceptable":    {f.call("GET", "/api/v1/domains", "", "Accept", "text/html, application/json;q=0"), 406},
		"too large":         {f.call("PUT", path, `{"description":"`+strings.Repeat("x", maxBodyBytes)+`"}`), 413},
		"empty body":        {f.call("PUT", path, "", "Content-Type", "application/json"), 400},
		"bad wait":          {f.call("PUT", path+"?wait=2m", `{}`), 400},
		"negative wait":     {f.call("PUT", path+"?wait=-1s", `{}`), 400},
		"bad If-Match":      {f.call("PUT", path, `{}`, "If-Match", "abc"), 400},
		"bad If-None-Match": {f.call("PUT", path, `{}`, "If-None-Match", `"a`), 400},
		"long comment":      {f.call("PUT", path, `{}`, "Change-Comment", strings.Repeat("x", 1001)), 400},
		"comment no UTF-8":  {f.call("PUT", path, `{}`, "Change-Comment", "\xff"), 400},
		"unknown query":     {f.call("PUT", path+"?force=true", `{}`), 400},
		"deep":              {f.call("PUT", path, strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)), 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			problem := decoded[Problem](tt.answer.want(tt.status))
			if tt.answer.header.Get("Content-Type") != "application/problem+json" || problem.Status != tt.status {
				t.Errorf("%s %s", tt.answer.header.Get("Content-Type"), tt.answer.body)
			}
			if problem.RequestID == "" || problem.RequestID != tt.answer.header.Get("X-Request-Id") || problem.Instance == "" {
				t.Errorf("request id %q, instance %q", problem.RequestID, problem.Instance)
			}
		})
	}
	f.call("GET", path, "").want(http.StatusNotFound) // nothing of this was stored

	if allow := f.call("POST", path, "").header.Get("Allow"); !strings.Contains(allow, "PUT") || strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q", allow)
	}
	for _, accept := range []string{"*/*", "application/*", "application/json", "text/html, */*;q=0.1"} {
		f.call("GET", "/api/v1/domains", "", "Accept", accept).want(http.StatusOK)
	}
}

// broken panics and fails in the ways of broken code.
type broken struct{ Configuration }

func (broken) List(context.Context, config.Kind, string, int) ([]config.Item, error) {
	panic("secret: out of luck")
}

func (broken) Get(context.Context, config.Kind, string) (config.Item, config.Value, error) {
	return config.Item{}, nil, fmt.Errorf("read items: %w", errors.New("secret: disk I/O error"))
}

func TestFailuresOfOursKeepTheirCause(t *testing.T) {
	f := newFixture(t)
	f.api.config = broken{f.api.config}
	for _, path := range []string{"/api/v1/domains", "/api/v1/domains/example.com"} {
		a := f.call("GET", path, "").want(http.StatusInternalServerError)
		if strings.Contains(string(a.body), "secret") {
			t.Errorf("the cause is on the wire: %s", a.body)
		}
		id := a.header.Get("X-Request-Id")
		if n := strings.Count(f.log.String(), "secret"); n != 1 {
			t.Errorf("the cause is logged %d times", n)
		}
		if !strings.Contains(f.log.String(), id) {
			t.Errorf("request %s is not in the log", id)
		}
		f.log.mu.Lock()
		f.log.buf.Reset()
		f.log.mu.Unlock()
	}
}

func TestRequestIDs(t *testing.T) {
	f := newFixture(t)
	for offered, kept := range map[string]bool{
		"abc-123_.X": true, "": false, "with space": false, "ü": false,
		strings.Repeat("x", 64): true, strings.Repeat("x", 65): false,
	} {
		got := f.call("GET", "/api/v1/version", "", "X-Request-Id", offered).header.Get("X-Request-Id")
		if (got == offered) != kept || got == "" {
			t.Errorf("offered %q, got %q", offered, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	f := newFixture(t)
	f.callAs("viewer", "GET", "/api/v1/domains?limit=7", "").want(http.StatusOK)
	for _, want := range []string{`"principal":"test-viewer"`, `"path":"/api/v1/domains"`, `"status":200`, `"method":"GET"`} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, f.log)
		}
	}
	for _, never := range []string{"limit=7", "Bearer", `"viewer"`} {
		if strings.Contains(f.log.String(), never) {
			t.Errorf("%s is in the log:\n%s", never, f.log)
		}
	}
}

func TestEveryRequestIsMeasured(t *testing.T) {
	f := newFixture(t)
	f.call("GET", "/api/v1/domains", "").want(http.StatusOK)
	f.call("GET", "/api/v1/domains?x=1", "").want(http.StatusBadRequest)
	f.call("GET", "/api/v1/some/other/path", "").want(http.StatusNotFound)
	for _, want := range []string{"listDomains 200", "listDomains 400", "other 404"} {
		if _, ok := f.metered.Load(want); !ok {
			t.Errorf("%s was not measured", want)
		}
	}
}

func TestHead(t *testing.T) {
	f := newFixture(t)
	get := f.call("GET", "/api/v1/settings/tls", "").want(http.StatusOK)
	head := f.call("HEAD", "/api/v1/settings/tls", "").want(http.StatusOK)
	if len(head.body) != 0 || head.etag() != get.etag() || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("%q %v", head.body, head.header)
	}
	f.callAs("", "HEAD", "/api/v1/settings/tls", "").want(http.StatusUnauthorized)
}

func TestNoCORS(t *testing.T) {
	f := newFixture(t)
	a := f.call("GET", "/api/v1/version", "", "Origin", "https://evil.example").want(http.StatusOK)
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %q", name, a.header.Get(name))
		}
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	limiter := NewRateLimiter(func() time.Time { return now })
	one, other := account.Principal{Name: "one"}, account.Principal{Name: "other"}
	header := http.Header{}
	for i := range requestBurst {
		if err := limiter.take(header, one); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if got := header.Get("RateLimit"); got != `"default";r=0;t=1` {
		t.Errorf("RateLimit: %s", got)
	}
	if err := limiter.take(header, one); domain.KindOf(err) != domain.Exhausted {
		t.Errorf("one request too many: %v", err)
	}
	if err := limiter.take(header, other); err != nil {
		t.Errorf("another caller: %v", err)
	}
	now = now.Add(time.Second)
	if err := limiter.take(header, one); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestRateLimiterForgets(t *testing.T) {
	limiter := NewRateLimiter(time.Now)
	for i := range maxCallers + 10 {
		_ = limiter.take(http.Header{}, account.Principal{Name: fmt.Sprint(i)})
	}
	if n := len(limiter.buckets); n > maxCallers {
		t.Errorf("%d buckets are kept", n)
	}
}

func TestRetryAfter(t *testing.T) {
	f := newFixture(t)
	f.api.config = unavailable{f.api.config}
	a := f.call("GET", "/api/v1/domains", "").want(http.StatusServiceUnavailable)
	if got := a.header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After: %q", got)
	}
}

type unavailable struct{ Configuration }

func (unavailable) List(context.Context, config.Kind, string, int) ([]config.Item, error) {
	return nil, domain.E(domain.Unavailable, "the store is busy")
}

// A body that comes in too slowly ends with the time limit of the server.
func TestServerLimits(t *testing.T) {
	f := newFixture(t)
	server := NewServer(f.api.Handler(), f.api.log)
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout <= maxWait || server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", server)
	}
	server.ReadTimeout = 300 * time.Millisecond
	slow := httptest.NewUnstartedServer(nil)
	slow.Config = server
	slow.Start()
	defer slow.Close()
	conn, err := net.Dial("tcp", slow.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "PUT /api/v1/domains/a.example HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	reply, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(reply), "HTTP/1.1 408 ") {
		t.Errorf("%s", reply)
	}
}
