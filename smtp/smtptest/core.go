package smtptest

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// CoreOptions says how a [Core] behaves. The zero value speaks clear HTTP, asks
// for no key, and allows every file at the first look.
type CoreOptions struct {
	// Certificate makes it speak HTTPS.
	Certificate tls.Certificate
	// APIKey is the key that every request must carry; empty: none.
	APIKey string
	// Looks is how often a result is asked for in vain, while the progress rises;
	// below 0 it never ends.
	Looks int
	// Result and BlockedReason are those of process_info; an empty result is
	// "Allowed".
	Result, BlockedReason string
	// Busy is how many submissions are answered with 503.
	Busy int
	// RetryAfter is the header of the 503; empty: none.
	RetryAfter string
	// Respond answers in place of all this where it returns true. It may be called
	// by several requests at once.
	Respond func(*http.Request) (CoreReply, bool)
}

// CoreReply is an answer to order.
type CoreReply struct {
	Status int // 0: 200
	Header http.Header
	Body   string
	// Hang gives no answer until the client leaves.
	Hang bool
}

// Submission is a file as the Core took it.
type Submission struct {
	Content  []byte
	Filename string
	Rule     string
	APIKey   string
	// TLS is the state of the connection; nil in clear.
	TLS *tls.ConnectionState
}

// Core is a MetaDefender Core, as far as its REST interface for files goes: it
// takes a file by POST /file, with its length announced, and tells the result by
// GET /file/{data_id}.
type Core struct {
	server *httptest.Server
	closed chan struct{}

	mu          sync.Mutex
	options     CoreOptions
	submissions []Submission
	looks       map[string]int // by data_id
	requests    int
	violations  []string
}

// NewCore starts a Core that ends with the test.
func NewCore(tb testing.TB, options CoreOptions) *Core {
	tb.Helper()
	c := &Core{options: options, looks: map[string]int{}, closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /file", c.submit)
	mux.HandleFunc("GET /file/{id}", c.result)
	c.server = httptest.NewUnstartedServer(c.guard(mux))
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are the test's business
	if options.Certificate.Certificate == nil {
		c.server.Start()
	} else {
		c.server.TLS = &tls.Config{Certificates: []tls.Certificate{options.Certificate}, ClientAuth: tls.RequestClientCert}
		c.server.StartTLS()
	}
	tb.Cleanup(c.close)
	return c
}

func (c *Core) close() {
	close(c.closed)
	c.server.CloseClientConnections()
	c.server.Close()
}

// URI is where the REST interface begins.
func (c *Core) URI() string { return c.server.URL }

// Update changes the behaviour for requests that come later.
func (c *Core) Update(change func(*CoreOptions)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.options)
}

// Submissions returns the files that were taken so far, in order.
func (c *Core) Submissions() []Submission {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.submissions)
}

// Requests returns how many requests came so far.
func (c *Core) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Violations returns what clients did against the protocol. A test of a client
// asserts that it is empty.
func (c *Core) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.violations)
}

// guard counts, gives the answers that are to order, and checks the key.
func (c *Core) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.requests++
		options := c.options
		c.mu.Unlock()
		if options.Respond != nil {
			if reply, ok := options.Respond(r); ok {
				c.give(w, r, reply)
				return
			}
		}
		if options.APIKey != "" && r.Header.Get("apikey") != options.APIKey {
			complain(w, http.StatusForbidden, "Access denied")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Core) give(w http.ResponseWriter, r *http.Request, reply CoreReply) {
	if reply.Hang {
		select {
		case <-r.Context().Done():
		case <-c.closed:
		}
		return
	}
	maps.Copy(w.Header(), reply.Header)
	w.WriteHeader(max(reply.Status, http.StatusOK))
	_, _ = io.WriteString(w, reply.Body) // the client may have left
}

// submit is POST /file.
func (c *Core) submit(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 {
		c.violate("a body without Content-Length")
		complain(w, http.StatusLengthRequired, "Content-Length header is missing")
		return
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left
	}
	if len(content) == 0 {
		c.violate("an empty body")
		complain(w, http.StatusUnprocessableEntity, "Body input is empty")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.options.Busy > 0 {
		c.options.Busy--
		if c.options.RetryAfter != "" {
			w.Header().Set("Retry-After", c.options.RetryAfter)
		}
		complain(w, http.StatusServiceUnavailable, "Server is too busy. Try again later.")
		return
	}
	c.submissions = append(c.submissions, Submission{
		Content: content, Filename: r.Header.Get("filename"), Rule: r.Header.Get("rule"),
		APIKey: r.Header.Get("apikey"), TLS: r.TLS,
	})
	id := fmt.Sprintf("%032x", len(c.submissions))
	c.looks[id] = 0
	writeJSON(w, map[string]any{"data_id": id})
}

// result is GET /file/{data_id}.
func (c *Core) result(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	looks, known := c.looks[id]
	if !known {
		complain(w, http.StatusNotFound, "Not found")
		return
	}
	c.looks[id]++
	info := map[string]any{"progress_percentage": 100, "result": c.options.Result, "blocked_reason": c.options.BlockedReason}
	if info["result"] == "" {
		info["result"] = "Allowed"
	}
	if c.options.Looks < 0 || looks < c.options.Looks {
		info = map[string]any{"progress_percentage": min(99, 10*looks), "result": "Processing", "blocked_reason": ""}
	}
	writeJSON(w, map[string]any{"data_id": id, "process_info": info})
}

func (c *Core) violate(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.violations = append(c.violations, text)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may have left
}

// complain refuses a request as a Core does.
func complain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"err":`+strconv.Quote(text)+`}`) // the client may have left
}
