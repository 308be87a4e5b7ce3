package config

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"postern/domain"
	"postern/domain/policy"
)

// socketUse is an address that a part of the configuration listens on.
type socketUse struct {
	name    string // as "listener inbound"
	pointer string // where the document of the part says so
	address string
	port    int
}

func (u socketUse) addrPort() string {
	return policy.Listener{Address: u.address, Port: u.port}.AddrPort()
}

// socketUses are the addresses that one item listens on.
func socketUses(v Value) []socketUse {
	switch v := v.(type) {
	case policy.Listener:
		return []socketUse{{name: fmt.Sprintf("listener %q", v.Name), address: v.Address, port: v.Port}}
	case policy.PublicWebSettings:
		return webUses("the public web listener", webUse{"/http", v.HTTP}, webUse{"/https", v.HTTPS})
	case policy.ManagementSettings:
		return webUses("the management listener", webUse{"/https", v.HTTPS})
	}
	return nil
}

// webUse is an endpoint at its place in the settings.
type webUse struct {
	pointer  string
	endpoint policy.WebEndpoint
}

func webUses(name string, endpoints ...webUse) (uses []socketUse) {
	for _, e := range endpoints {
		if e.endpoint.Enabled {
			uses = append(uses, socketUse{name + " at " + e.pointer, e.pointer, e.endpoint.Address, e.endpoint.Port})
		}
	}
	return uses
}

// sockets are the addresses that the whole configuration listens on.
func (s *Snapshot) sockets() (uses []socketUse) {
	for _, l := range s.Listeners() {
		uses = append(uses, socketUses(l)...)
	}
	uses = append(uses, socketUses(s.Settings.PublicWeb)...)
	return append(uses, socketUses(s.Settings.Management)...)
}

// checkAddresses refuses addresses that another part has.
func checkAddresses(next *Snapshot, v Value) (f domain.Faults) {
	for _, own := range socketUses(v) {
		for _, other := range next.sockets() {
			if other.name != own.name && other.port == own.port && own.port != 0 && overlap(other.address, own.address) {
				f.Add(own.pointer+"/port", "%d is taken by %s on %s", own.port, other.name, other.addrPort())
			}
		}
	}
	return f
}

// checkSockets adds the faults of an item whose addresses cannot be opened. One
// that stays where it was has its socket, or is being tried, already.
func (s *Service) checkSockets(ctx context.Context, f *domain.Faults, base *Snapshot, v Value) error {
	for _, use := range socketUses(v) {
		if base.listensOn(use) {
			continue
		}
		err := s.sockets.CheckBindable(ctx, policy.Listener{Name: use.name, Address: use.address, Port: use.port})
		if known, ok := errors.AsType[*domain.Error](err); ok && known.Kind == domain.Invalid {
			f.Merge(use.pointer, known.Faults)
			continue
		}
		if err != nil {
			return domain.Wrap(err, "try the address of %s", use.name)
		}
	}
	return nil
}

// listensOn reports whether the same part listens on the same address already.
func (s *Snapshot) listensOn(use socketUse) bool {
	for _, known := range s.sockets() {
		if known.name == use.name && known.addrPort() == use.addrPort() {
			return true
		}
	}
	return false
}

// overlap reports whether two addresses cannot have the same port: an address
// that is empty or unspecified (0.0.0.0, ::) means all, of both families.
func overlap(one, other string) bool {
	a, b := parseAddr(one), parseAddr(other)
	return a == b || a.IsUnspecified() || b.IsUnspecified()
}

// parseAddr reads an address to listen on; the empty one is unspecified.
func parseAddr(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return addr.Unmap()
}
