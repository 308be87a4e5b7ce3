package smtp

import (
	"context"

	"golang.org/x/sync/errgroup"

	"postern/domain/config"
	"postern/domain/policy"
	"postern/smtp/inbound"
)

// generation is the running form of one snapshot.
type generation struct {
	snapshot *config.Snapshot
	handlers map[socketKey]*inbound.Handler
}

// socketKey tells listening addresses apart. Where the system chooses the port,
// the listener's name does.
type socketKey string

func keyOf(l policy.Listener) socketKey {
	if l.Port == 0 {
		return socketKey(l.Name + " " + l.AddrPort())
	}
	return socketKey(l.AddrPort())
}

// build does everything that can fail: handlers, sockets. The problems are by
// listener; what has none is in the generation.
func (e *Engine) build(ctx context.Context, snapshot *config.Snapshot) (*generation, map[socketKey]*openSocket, map[string]string) {
	g := &generation{snapshot: snapshot, handlers: map[socketKey]*inbound.Handler{}}
	opened := map[socketKey]*openSocket{}
	problems := map[string]string{}
	for _, l := range snapshot.Listeners() {
		handler, err := inbound.NewHandler(ctx, e.inbound, snapshot, l)
		if err == nil {
			if err = e.open(ctx, l, opened); err != nil {
				handler.Retire() // it never started
			}
		}
		if err != nil {
			problems[l.Name] = err.Error()
			continue
		}
		g.handlers[keyOf(l)] = handler
	}
	return g, opened, problems
}

// open makes sure that the listener's address is open.
func (e *Engine) open(ctx context.Context, l policy.Listener, opened map[socketKey]*openSocket) error {
	if socket, ok := e.sockets[keyOf(l)]; ok {
		return socket.SetQueue(l.TCPQueue)
	}
	socket, err := inbound.Listen(ctx, l)
	if err != nil {
		return err
	}
	opened[keyOf(l)] = &openSocket{Socket: socket, served: make(chan struct{})}
	return nil
}

func (g *generation) revision() int64 { return g.snapshot.Revision }

func (g *generation) start() {
	for _, h := range g.handlers {
		h.Start()
	}
}

func (g *generation) retire() {
	for _, h := range g.handlers {
		h.Retire()
	}
}

// idle reports whether no session of a retired generation is left.
func (g *generation) idle() bool {
	for _, h := range g.handlers {
		if !h.Idle() {
			return false
		}
	}
	return true
}

// drain ends every session of the generations, all at the same time.
func drain(ctx context.Context, generations []*generation) error {
	var all errgroup.Group
	for _, g := range generations {
		for _, h := range g.handlers {
			all.Go(func() error { return h.Drain(ctx) })
		}
	}
	return all.Wait()
}
