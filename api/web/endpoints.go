// Package web keeps the HTTP endpoints of the gateway in step with the
// configuration: the HTTPS side of the management listener and the public web
// listener.
//
// An endpoint that stays where it was keeps its socket and its connections; what
// changes about its TLS holds from the next handshake on. One that moves is opened
// at its new place before the old one is closed, and where that fails the old one
// serves on. Nothing that a change does cuts off a request.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Endpoint is an address on which HTTP, or HTTPS, is to be served.
type Endpoint struct {
	Name    string // unique, as "public web listener, HTTPS"
	Address string // host:port; port 0 lets the system choose
	// TLS is used for each new handshake; nil is clear HTTP.
	TLS *tls.Config
	// Server makes the server, with its handler and limits set. It is called when
	// the endpoint is opened, and not again while it stays open.
	Server func() *http.Server
}

// Problem is why an endpoint that is wanted does not serve as it should.
type Problem struct {
	Endpoint string
	Err      error
}

// Endpoints are the endpoints that are open. The zero value with a log is ready for
// use, and safe for concurrent use.
type Endpoints struct {
	Log *slog.Logger

	mu       sync.Mutex
	open     map[string]*server // by the endpoint's name
	failed   map[string]string  // what was logged already
	stopped  bool
	draining sync.WaitGroup
}

// Follow opens what is wanted and closes what is not, and returns why it could not.
func (e *Endpoints) Follow(ctx context.Context, wanted []Endpoint) []Problem {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil
	}
	var problems []Problem
	for _, w := range wanted {
		if err := e.ensure(ctx, w); err != nil {
			problems = append(problems, Problem{w.Name, err})
		}
	}
	for name, s := range e.open {
		if !slices.ContainsFunc(wanted, func(w Endpoint) bool { return w.Name == name }) {
			delete(e.open, name)
			e.retire(s)
		}
	}
	e.note(problems)
	return problems
}

// ensure makes one endpoint serve as it is wanted.
func (e *Endpoints) ensure(ctx context.Context, w Endpoint) error {
	current := e.open[w.Name]
	if current != nil && current.wanted == w.Address && (current.tls.Load() == nil) == (w.TLS == nil) {
		current.tls.Store(w.TLS)
		return nil
	}
	next, err := listen(ctx, w)
	if err != nil {
		return err
	}
	if e.open == nil {
		e.open = map[string]*server{}
	}
	e.open[w.Name] = next
	go next.serve(e.Log)
	if current != nil {
		e.retire(current)
	}
	return nil
}

// drainTime bounds how long the requests of an endpoint that is closed may go on.
const drainTime = time.Minute

// retire closes the socket at once and lets requests that are under way finish.
func (e *Endpoints) retire(s *server) {
	e.draining.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		_ = s.stop(ctx) // what is left then has had its time
	})
}

// note logs problems that are new.
func (e *Endpoints) note(problems []Problem) {
	failed := map[string]string{}
	for _, p := range problems {
		failed[p.Endpoint] = p.Err.Error()
		if e.failed[p.Endpoint] != p.Err.Error() {
			e.Log.Error("a web endpoint cannot start", "endpoint", p.Endpoint, "error", p.Err.Error())
		}
	}
	e.failed = failed
}

// Addr returns where the endpoint listens; nil where it does not.
func (e *Endpoints) Addr(name string) net.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.open[name]; s != nil {
		return s.listener.Addr()
	}
	return nil
}

// Has reports whether one of the endpoints listens on the address.
func (e *Endpoints) Has(address string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.open {
		if s.wanted == address {
			return true
		}
	}
	return false
}

// Stop closes every endpoint; requests that are under way have as long as the
// context allows.
func (e *Endpoints) Stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	var errs []error
	for _, s := range e.open {
		errs = append(errs, s.stop(ctx))
	}
	clear(e.open)
	return errors.Join(errs...)
}

// server is an endpoint that is open.
type server struct {
	wanted   string // address, as it was asked for
	listener net.Listener
	http     *http.Server
	tls      atomic.Pointer[tls.Config] // of the next handshake; nil: clear HTTP
	ended    chan struct{}
}

func listen(ctx context.Context, w Endpoint) (*server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, network(w.Address), w.Address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", w.Address, err)
	}
	s := &server{wanted: w.Address, listener: listener, http: w.Server(), ended: make(chan struct{})}
	s.tls.Store(w.TLS)
	if w.TLS != nil {
		s.listener = tls.NewListener(listener, &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.tls.Load(), nil },
		})
	}
	return s, nil
}

// network keeps 0.0.0.0 to IPv4, as it is written.
func network(address string) string {
	if addr, err := netip.ParseAddrPort(address); err == nil && addr.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

func (s *server) serve(log *slog.Logger) {
	defer close(s.ended)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		log.Error("a web endpoint ended", "address", s.wanted, "error", err.Error())
	}
}

// stop closes the socket and waits for the requests; those that the context does
// not wait for are cut off.
func (s *server) stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.ended
	return err
}
