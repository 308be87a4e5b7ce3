package main

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"postern/api/rest"
	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/inbound"
	"postern/smtp/outbound"
	"postern/smtp/reply"
)

// resolver asks the DNS servers that the newest configuration names. A change
// of the settings begins with an empty cache; look-ups under way end as they
// began.
type resolver struct {
	current  atomic.Pointer[servers]
	settings policy.DNSSettings // of current; only follow reads and writes it
	changed  chan struct{}      // wakes examine
	bus      *event.Bus
}

// servers are the resolvers of one configuration, with what is known of them.
type servers struct {
	*dns.Resolver
	touchstones dns.Touchstones
	examined    atomic.Pointer[examination] // nil before the first look
}

// examination is what a look at the resolvers found.
type examination struct {
	dns.Finding
	at time.Time
}

var (
	_ outbound.Resolver = (*resolver)(nil)
	_ outbound.DANE     = (*resolver)(nil)
	_ inbound.Names     = (*resolver)(nil)
)

func newResolver(snapshot *config.Snapshot, bus *event.Bus) *resolver {
	r := &resolver{changed: make(chan struct{}, 1), bus: bus}
	r.use(snapshot.Settings.DNS)
	return r
}

// follow takes over the settings of a snapshot. It is called by one goroutine
// at a time.
func (r *resolver) follow(snapshot *config.Snapshot) {
	next := snapshot.Settings.DNS
	if slices.Equal(next.Servers, r.settings.Servers) && slices.Equal(next.Trusted, r.settings.Trusted) &&
		next.SignedName == r.settings.SignedName && next.BogusName == r.settings.BogusName {
		return
	}
	r.use(next)
}

func (r *resolver) use(settings policy.DNSSettings) {
	r.settings = settings
	touchstones := dns.DefaultTouchstones()
	if settings.SignedName != "" {
		touchstones.Signed = settings.SignedName
	}
	if settings.BogusName != "" {
		touchstones.Bogus = settings.BogusName
	}
	r.current.Store(&servers{
		Resolver: dns.New(dns.Config{Servers: settings.Servers, Trusted: settings.Trusted}), touchstones: touchstones,
	})
	select {
	case r.changed <- struct{}{}:
	default: // It is to look anyway.
	}
}

// How often the resolvers are looked at: again soon where it could not be found
// out.
const (
	examineInterval  = 5 * time.Minute
	unprovenInterval = 30 * time.Second
)

// examine looks whether the resolvers validate, at the start, at every change of
// the settings and at intervals, until the context ends (B63).
func (r *resolver) examine(ctx context.Context) {
	for {
		current := r.current.Load()
		wait := examineInterval
		if found := current.Examine(ctx, current.touchstones); ctx.Err() == nil && !current.note(found) {
			wait = unprovenInterval
		}
		r.bus.Publish(event.ResolverExamined)
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		case <-time.After(wait):
		}
	}
}

// note keeps what a look found, and reports whether it found something. Where it
// could not be found out, what was known before holds: an attacker who can drop
// the answers must not be able to switch DANE off.
func (s *servers) note(found dns.Finding) bool {
	known := s.examined.Load()
	if found.Verdict == dns.Unproven && known != nil {
		found.Verdict = known.Verdict
		s.examined.Store(&examination{found, time.Now()})
		return false
	}
	s.examined.Store(&examination{found, time.Now()})
	return found.Verdict != dns.Unproven
}

// verdict is what is known of the resolvers. Without one whose word would count
// nothing need be asked.
func (s *servers) verdict() examination {
	switch known := s.examined.Load(); {
	case known != nil:
		return *known
	case !s.Validating():
		return examination{Finding: dns.Finding{Verdict: dns.NotValidating, Detail: "no resolver is on this machine or trusted"}}
	}
	return examination{Finding: dns.Finding{Verdict: dns.Unproven, Detail: "it was not looked at yet"}}
}

// Validates reports whether DANE is on: not where the resolvers are known not to
// validate (B63). While it is not known, what they vouch for counts, since DANE
// only ever asks for more.
func (r *resolver) Validates() bool {
	return r.current.Load().verdict().Verdict != dns.NotValidating
}

// notValidating is the complaint about resolvers that are believed and do not
// validate; empty where there is none. None to believe is a matter of the
// settings, which the status shows.
func (r *resolver) notValidating() string {
	current := r.current.Load()
	if known := current.verdict(); current.Validating() && known.Verdict == dns.NotValidating {
		return known.Detail
	}
	return ""
}

// maxStatusOctets bounds the text of a finding in the status.
const maxStatusOctets = 300

// status shows whether the resolvers validate.
func (r *resolver) status() rest.ResolverStatus {
	known := r.current.Load().verdict()
	shown := rest.ResolverStatus{
		Validation: known.Verdict.String(), DANE: known.Verdict != dns.NotValidating, Detail: reply.Quote(known.Detail, maxStatusOctets),
	}
	if !known.at.IsZero() {
		at := known.at.UTC()
		shown.ExaminedAt = &at
	}
	return shown
}

// validatingStatus is the status as a figure.
func (r *resolver) validatingStatus() float64 {
	switch r.current.Load().verdict().Verdict {
	case dns.Validates:
		return 1
	case dns.NotValidating:
		return 0
	}
	return -1
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

// LookupCNAME returns what is known of the alias at a name.
func (r *resolver) LookupCNAME(ctx context.Context, name mailaddr.DomainName) (dns.Answer, error) {
	return r.current.Load().LookupCNAME(ctx, name)
}

// ConfirmedNames returns the names of an address that lead back to it.
func (r *resolver) ConfirmedNames(ctx context.Context, addr netip.Addr) ([]mailaddr.DomainName, error) {
	return r.current.Load().ConfirmedNames(ctx, addr)
}
