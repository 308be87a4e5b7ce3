package main

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/inbound"
	"postern/smtp/outbound"
)

// resolver asks the DNS servers that the newest configuration names. A change
// of the settings begins with an empty cache; look-ups under way end as they
// began.
type resolver struct {
	current  atomic.Pointer[dns.Resolver]
	settings policy.DNSSettings // of current; only follow reads and writes it
}

var (
	_ outbound.Resolver = (*resolver)(nil)
	_ inbound.Names     = (*resolver)(nil)
)

func newResolver(snapshot *config.Snapshot) *resolver {
	r := new(resolver)
	r.use(snapshot.Settings.DNS)
	return r
}

// follow takes over the settings of a snapshot. It is called by one goroutine
// at a time.
func (r *resolver) follow(snapshot *config.Snapshot) {
	next := snapshot.Settings.DNS
	if slices.Equal(next.Servers, r.settings.Servers) && slices.Equal(next.Trusted, r.settings.Trusted) {
		return
	}
	r.use(next)
}

func (r *resolver) use(settings policy.DNSSettings) {
	r.settings = settings
	r.current.Store(dns.New(dns.Config{Servers: settings.Servers, Trusted: settings.Trusted}))
}

// LookupMX returns the mail exchangers of a domain.
func (r *resolver) LookupMX(ctx context.Context, name mailaddr.DomainName) (dns.MXResult, error) {
	return r.current.Load().LookupMX(ctx, name)
}

// LookupAddrs returns the addresses of a host.
func (r *resolver) LookupAddrs(ctx context.Context, name mailaddr.DomainName) (dns.AddrResult, error) {
	return r.current.Load().LookupAddrs(ctx, name)
}

// LookupTLSA returns the TLSA records of a TCP port of a host.
func (r *resolver) LookupTLSA(ctx context.Context, port uint16, host mailaddr.DomainName) (dns.TLSAResult, error) {
	return r.current.Load().LookupTLSA(ctx, port, host)
}

// ConfirmedNames returns the names of an address that lead back to it.
func (r *resolver) ConfirmedNames(ctx context.Context, addr netip.Addr) ([]mailaddr.DomainName, error) {
	return r.current.Load().ConfirmedNames(ctx, addr)
}
