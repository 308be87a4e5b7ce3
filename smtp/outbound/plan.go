package outbound

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/reply"
)

// destination is where a recipient's mail goes: a domain, or the address of an
// address literal. Neither is set for <postmaster>, which belongs to us.
type destination struct {
	domain  mailaddr.DomainName
	literal netip.Addr
}

func destinationOf(m mailaddr.Mailbox) destination {
	return destination{domain: m.Domain, literal: m.Literal}
}

// hop is a next hop, by name or by address.
type hop struct {
	host mailaddr.DomainName
	addr netip.Addr
	port uint16
	// byMX says that DNS names it: then it may lead back to us (B33), and the
	// published policies of the recipient domain are about it (B31).
	byMX bool
	// mx is the answer of DNS that names it, where one does.
	mx dns.Answer
	// profile is the server profile that names it; nil where none does.
	profile  *policy.ServerProfile
	endpoint policy.ServerEndpoint // of the profile
	// discard says that there is no host: the mail ends here (B31).
	discard bool
}

// devNull is how records name the hop that discards.
const devNull = "/dev/null"

func (h hop) String() string {
	if h.discard {
		return devNull
	}
	if h.host == "" {
		return h.addr.String()
	}
	return h.host.String()
}

// plan is the next hops to try, in tiers of equal preference, the best first.
type plan struct {
	tiers [][]hop
	// problem is why a part of the plan came to no hop; nil where all did.
	problem *delivery.Outcome
}

// Bounds of the next hops of a plan: whatever DNS says, and as many as a route
// may name, so that the last of them is tried too when all others are down.
const (
	maxHops      = 10
	maxRouteHops = 50
)

// route is the first stage: a route of ours decides, else the MX records (B31).
// An outcome ends the attempt.
func (d *Deliverer) route(ctx context.Context, snapshot *config.Snapshot, to destination) (plan, *delivery.Outcome) {
	switch {
	case to.literal.IsValid():
		return plan{tiers: [][]hop{{{addr: to.literal, port: policy.DefaultSMTPPort, byMX: true}}}}, nil
	case to.domain == "":
		return plan{}, routeOutcome(reply.New(550, reply.Status{Subject: 1, Detail: 3}, "the address has no domain"))
	}
	if route := snapshot.Route(to.domain); route != nil {
		return d.planOfRoute(ctx, snapshot, route, to.domain), nil
	}
	return d.planOfMX(ctx, snapshot, to.domain)
}

func routeOutcome(r reply.Reply) *delivery.Outcome {
	o := ownOutcome(delivery.StageRoute, r)
	return &o
}

// inOrder lists the tiers by preference.
func inOrder(byPreference map[int][]hop) [][]hop {
	tiers := make([][]hop, 0, len(byPreference))
	for _, preference := range slices.Sorted(maps.Keys(byPreference)) {
		tiers = append(tiers, byPreference[preference])
	}
	return bounded(tiers, maxHops)
}

// bounded shuffles each tier, so that hosts of equal preference share the load
// (RFC 5321 §5.1), and leaves no more hops in all than there is room for.
func bounded(tiers [][]hop, room int) [][]hop {
	var kept [][]hop
	for _, tier := range tiers {
		tier = shuffled(tier)
		tier = tier[:min(len(tier), room)]
		if room -= len(tier); len(tier) > 0 {
			kept = append(kept, tier)
		}
	}
	return kept
}

// planOfMX asks DNS (B33).
func (d *Deliverer) planOfMX(ctx context.Context, snapshot *config.Snapshot, name mailaddr.DomainName) (plan, *delivery.Outcome) {
	found, err := d.Resolver.LookupMX(ctx, name)
	switch {
	case err != nil:
		// RFC 5321 §5.1: a failed look-up says nothing about the domain.
		return plan{}, routeOutcome(reply.New(451, reply.Status{Subject: 4, Detail: 3}, reply.Quote(err.Error(), maxErrorOctets)))
	case found.Null:
		return plan{}, routeOutcome(reply.New(556, reply.Status{Subject: 1, Detail: 10}, "the domain accepts no mail (null MX)")) // RFC 7505 §4.2
	case found.Class == dns.NoName:
		return plan{}, routeOutcome(reply.New(550, reply.Status{Subject: 1, Detail: 2}, "the domain does not exist"))
	case found.Class == dns.NoData:
		// RFC 5321 §5.1: without MX records the domain itself is the only one.
		found.Hosts = []dns.MX{{Host: name}}
	case len(found.Hosts) == 0:
		return plan{}, routeOutcome(reply.New(550, reply.Status{Subject: 4, Detail: 4}, "no MX record of the domain names a host"))
	}
	return planOfHosts(found, snapshot.Settings.Outbound.HostName)
}

// planOfHosts tiers MX hosts by preference. RFC 5321 §5.1: where we are among
// them ourselves, we and all that are not better than us are left out.
func planOfHosts(found dns.MXResult, own mailaddr.DomainName) (plan, *delivery.Outcome) {
	tiers := map[int][]hop{}
	for _, mx := range found.Hosts {
		preference := int(mx.Preference)
		tiers[preference] = append(tiers[preference],
			hop{host: mx.Host, port: policy.DefaultSMTPPort, byMX: true, mx: found.Answer})
	}
	for _, mx := range found.Hosts {
		for preference := range tiers {
			if mx.Host == own && preference >= int(mx.Preference) {
				delete(tiers, preference)
			}
		}
	}
	if len(tiers) == 0 {
		return plan{}, loopOutcome()
	}
	return plan{tiers: inOrder(tiers)}, nil
}

// loopOutcome is for mail that DNS leads back to us.
func loopOutcome() *delivery.Outcome {
	return routeOutcome(reply.New(554, reply.Status{Subject: 4, Detail: 6}, "mail for the destination loops back to this system"))
}

// target is an address of a next hop: what one connection goes to.
type target struct {
	hop
	addr netip.AddrPort
	dane authenticity
}

// maxAddrs bounds the addresses of one host that are tried.
const maxAddrs = 4

// resolve is the stage that finds the addresses of a next hop, and what DNSSEC
// says of it.
func (a *attempt) resolve(ctx context.Context, h hop) ([]target, *failure) {
	if h.addr.IsValid() {
		return []target{{hop: h, addr: netip.AddrPortFrom(h.addr, h.port)}}, nil
	}
	found, err := a.Resolver.LookupAddrs(ctx, h.host)
	if err != nil {
		return nil, &failure{stage: delivery.StageNames, class: resolverFailed, detail: reply.Quote(err.Error(), maxErrorOctets)}
	}
	addrs := alternate(found.IPv6.Addrs, found.IPv4.Addrs)
	if len(addrs) == 0 {
		return nil, &failure{stage: delivery.StageNames, class: noAddress, detail: fmt.Sprintf("host %s has no address", h.host)}
	}
	published := a.lookUpDANE(ctx, h, found)
	var targets []target
	for _, addr := range addrs[:min(len(addrs), maxAddrs)] {
		targets = append(targets, target{h, netip.AddrPortFrom(addr, h.port), published})
	}
	return targets, nil
}

// alternate mixes the families, so that a dead one costs one try at a time
// (B33). Within a family the order is by chance.
func alternate(first, second []netip.Addr) []netip.Addr {
	first, second = shuffled(first), shuffled(second)
	var mixed []netip.Addr
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(second) {
			mixed = append(mixed, second[i])
		}
	}
	return mixed
}

func shuffled[E any](list []E) []E {
	list = slices.Clone(list)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// leadsBack reports whether an address that DNS gave is one of ours. What can
// only be reached on this machine always is.
func (d *Deliverer) leadsBack(snapshot *config.Snapshot, addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsUnspecified() ||
		slices.Contains(snapshot.Settings.Outbound.OwnAddresses, addr) ||
		d.LocalAddrs != nil && slices.Contains(d.LocalAddrs(), addr)
}
