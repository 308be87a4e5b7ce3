// Package smtp is the engine: it follows the committed configuration and keeps
// the running one in step. Each revision becomes a generation; everything that
// can fail is done before one pointer is swapped; the generation before is
// drained by its own sessions and never cut off.
package smtp

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/inbound"
)

// reconcileInterval is how often the engine looks at the state without having
// been woken: events are hints, state is the truth.
const reconcileInterval = 10 * time.Second

// Configuration is what the engine follows and reports to.
type Configuration interface {
	Snapshot() *config.Snapshot
	ReportApplied(revision int64)
	ReportProblems([]config.Problem)
}

// Engine runs the inbound side of the newest configuration.
type Engine struct {
	config  Configuration
	bus     *event.Bus
	inbound inbound.Dependencies
	logger  *slog.Logger
	follow  Follower

	current  atomic.Pointer[generation]
	mu       sync.Mutex // held while a generation is made, and at the stop
	sockets  map[socketKey]*openSocket
	retired  []*generation      // with sessions that are still open
	problems map[string]problem // by listener
	others   []config.Problem   // what the follower said
	stopped  bool
}

// openSocket is a listening address with the loop that serves it.
type openSocket struct {
	*inbound.Socket
	served chan struct{} // closed when the loop has ended
}

// Follower brings those parts of a snapshot into force that are not listeners, and
// returns what it could not; then it is asked again, with the same snapshot or a
// newer one.
type Follower func(context.Context, *config.Snapshot) []config.Problem

// New returns an engine that does nothing until it runs.
func New(c Configuration, bus *event.Bus, deps inbound.Dependencies, follow Follower, logger *slog.Logger) *Engine {
	return &Engine{
		config: c, bus: bus, inbound: deps, follow: follow, logger: logger,
		sockets: map[socketKey]*openSocket{}, problems: map[string]problem{},
	}
}

// Start brings the newest configuration into force. What cannot start is
// reported and tried again while the rest serves.
func (e *Engine) Start(ctx context.Context) { e.reconcile(ctx) }

// Run follows the configuration until the context ends.
func (e *Engine) Run(ctx context.Context) {
	wake := e.bus.Subscribe(event.ConfigurationChanged)
	defer wake.Close()
	ticker := time.NewTicker(reconcileInterval)
	defer ticker.Stop()
	for {
		e.reconcile(ctx)
		select {
		case <-ctx.Done():
			return
		case <-wake.C():
		case <-ticker.C:
		}
	}
}

// reconcile makes the newest snapshot the running one, unless it is already.
func (e *Engine) reconcile(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	snapshot := e.config.Snapshot()
	running := e.current.Load()
	if e.stopped || running != nil && running.revision() == snapshot.Revision && len(e.problems)+len(e.others) == 0 {
		return
	}
	next, opened, failures := e.build(ctx, snapshot)
	problems := e.since(failures, snapshot.Revision)
	idle := running != nil && running.revision() == snapshot.Revision && len(opened) == 0
	if idle || running != nil && causes(snapshot.Revision, problems, running) {
		// B70: a revision that cannot be applied leaves the old one serving. A
		// later one does not wait for what did not serve before it either.
		closeAll(opened)
		next.retire() // it never started
		if idle && len(e.others) > 0 {
			e.others = e.follow(ctx, snapshot)
		}
		e.note(problems)
		return
	}
	e.activate(ctx, next, opened)
	e.config.ReportApplied(snapshot.Revision)
	e.note(problems)
}

// problem is why a listener does not serve, and the revision with which that
// began.
type problem struct {
	detail string
	since  int64
}

// since dates the failures: those that are known keep their date.
func (e *Engine) since(failures map[string]string, revision int64) map[string]problem {
	problems := map[string]problem{}
	for name, detail := range failures {
		problems[name] = problem{detail, revision}
		if known, ok := e.problems[name]; ok {
			problems[name] = problem{detail, known.since}
		}
	}
	return problems
}

// causes reports whether the revision brings a problem that the running
// generation does not have.
func causes(revision int64, problems map[string]problem, running *generation) bool {
	for _, p := range problems {
		if p.since == revision && running.revision() != revision {
			return true
		}
	}
	return false
}

// note reports problems and logs those that are new.
func (e *Engine) note(problems map[string]problem) {
	var list []config.Problem
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		list = append(list, config.Problem{Part: "listener " + name, Detail: problems[name].detail})
		if e.problems[name] != problems[name] {
			e.logger.Error("a listener cannot start", "listener", name, "error", problems[name].detail)
		}
	}
	e.problems = problems
	e.config.ReportProblems(append(list, e.others...))
}

// activate swaps the pointer, then starts what is new and ends what is over.
func (e *Engine) activate(ctx context.Context, next *generation, opened map[socketKey]*openSocket) {
	next.start()
	before := e.current.Swap(next)
	for key, socket := range opened {
		e.sockets[key] = socket
		go func() {
			defer close(socket.served)
			socket.Serve(func() *inbound.Handler { return e.current.Load().handlers[key] }, e.logger)
		}()
	}
	for key, socket := range e.sockets {
		if _, wanted := next.handlers[key]; !wanted {
			_ = socket.Close() // it listens to nobody either way
			delete(e.sockets, key)
		}
	}
	e.others = e.follow(ctx, next.snapshot)
	if before != nil {
		before.retire()
		e.retired = append(e.retired, before)
	}
	e.retired = slices.DeleteFunc(e.retired, (*generation).idle)
}

// Stop ends the inbound side: no new connections, sessions end at their next
// command, messages in progress are finished as long as the context allows.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	closeAll(e.sockets)
	var err error
	if running := e.current.Load(); running != nil {
		err = drain(ctx, append(e.retired, running))
	}
	return errors.Join(err, e.waitServed(ctx))
}

// waitServed waits for the accept loops to end.
func (e *Engine) waitServed(ctx context.Context) error {
	for _, socket := range e.sockets {
		select {
		case <-socket.served:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func closeAll(sockets map[socketKey]*openSocket) {
	for _, s := range sockets {
		_ = s.Close() // it listens to nobody either way
	}
}

// ListenerStatus is how a configured listener fares.
type ListenerStatus struct {
	Name        string
	Address     string // where it listens, with the port the system chose
	Connections int
	Problem     string // why it does not serve; empty where it does
}

// Listeners returns the status of every configured listener, sorted by name.
func (e *Engine) Listeners() []ListenerStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []ListenerStatus
	for _, l := range e.config.Snapshot().Listeners() {
		status := ListenerStatus{
			Name: l.Name, Address: l.AddrPort(), Problem: e.problems[l.Name].detail,
			Connections: e.inbound.Limits.Connections(l.Name),
		}
		if socket := e.sockets[keyOf(l)]; socket != nil {
			status.Address = socket.Addr().String()
		}
		list = append(list, status)
	}
	return list
}

// Ready returns nil while mail can come in: while a listener serves, or none is
// configured. What does not serve is in the status.
func (e *Engine) Ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	running := e.current.Load()
	if running == nil || len(running.handlers) == 0 && len(e.problems) > 0 {
		return errors.New("no listener serves")
	}
	return nil
}

// CheckBindable returns nil if the listener can have its address: because it is
// open already, or can be opened now. Else it is [inbound.CheckBindable]'s error.
// Nothing is brought into force meanwhile, which could want the same address.
func (e *Engine) CheckBindable(ctx context.Context, l policy.Listener) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ours := e.sockets[keyOf(l)]; ours {
		return nil
	}
	return inbound.CheckBindable(ctx, l)
}

// ExplainClient says what a client at the address would be allowed on a
// listener, by the running configuration (B71).
func (e *Engine) ExplainClient(listener string, addr netip.Addr) (probe.Client, error) {
	l, ok := e.config.Snapshot().Listener(listener)
	if running := e.current.Load(); ok && running != nil {
		if h := running.handlers[keyOf(l)]; h != nil {
			return h.Explain(addr), nil
		}
	}
	return probe.Client{}, domain.E(domain.NotFound, "no listener %q serves", listener)
}

// ExplainClientUnder says the same by a configuration that does not run, such as
// that of a draft.
func (e *Engine) ExplainClientUnder(ctx context.Context, snapshot *config.Snapshot, listener string, addr netip.Addr) (probe.Client, error) {
	l, ok := snapshot.Listener(listener)
	if !ok {
		return probe.Client{}, domain.E(domain.NotFound, "there is no listener %q", listener)
	}
	handler, err := inbound.NewHandler(ctx, e.inbound, snapshot, l)
	if err != nil {
		return probe.Client{}, domain.Wrap(err, "rehearse listener %q", listener)
	}
	defer handler.Retire() // it never serves
	return handler.Explain(addr), nil
}
