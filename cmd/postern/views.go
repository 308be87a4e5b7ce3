package main

import (
	"context"

	"postern/api/rest"
	"postern/domain/policy"
	"postern/smtp/outbound"
)

// The API knows nothing of the engine: what it shows of it passes through here.

// oneHourView shows the one-hour list to the API (B24).
type oneHourView struct{ *outbound.OneHourList }

var _ rest.OneHourList = oneHourView{}

// List returns the listed peers.
func (v oneHourView) List() []rest.NoTLSHost {
	peers := v.OneHourList.List()
	hosts := make([]rest.NoTLSHost, len(peers))
	for i, p := range peers {
		hosts[i] = rest.NoTLSHost{Address: p.Addr, Host: p.Host.String(), Since: p.Since, Reason: p.Reason}
	}
	return hosts
}

// listenerStatus shows how the listeners fare.
func (a *App) listenerStatus() []rest.ListenerStatus {
	listeners := a.engine.Listeners()
	list := make([]rest.ListenerStatus, len(listeners))
	for i, l := range listeners {
		list[i] = rest.ListenerStatus{Name: l.Name, Address: l.Address, Connections: l.Connections, Problem: l.Problem}
	}
	return list
}

// engineSockets tries the addresses of listeners for the configuration, which is
// there before the engine and asks no earlier than the API serves.
type engineSockets struct{ app *App }

// CheckBindable is [config.Sockets.CheckBindable].
func (s engineSockets) CheckBindable(ctx context.Context, l policy.Listener) error {
	if s.app.web.endpoints.Has(l.AddrPort()) {
		return nil // ours: what wants it is moved there, or is told of the conflict
	}
	return s.app.engine.CheckBindable(ctx, l)
}
