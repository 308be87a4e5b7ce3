package outbound

import (
	"context"
	"fmt"
	"slices"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/reply"
)

// planOfRoute tiers the next hops of a route by priority (B31). Equal ones take
// turns by chance. Mail never falls back to MX unless a next hop says so.
func (d *Deliverer) planOfRoute(ctx context.Context, snapshot *config.Snapshot, route *policy.Route, recipient mailaddr.DomainName) plan {
	var p plan
	for _, nexts := range byPriority(route) {
		var merged [][]hop
		for _, next := range nexts {
			part := d.partOf(ctx, snapshot, next, recipient)
			merged = interleave(merged, part.tiers)
			if part.problem != nil {
				p.problem = part.problem
			}
		}
		p.tiers = append(p.tiers, merged...)
	}
	p.tiers = bounded(p.tiers, maxRouteHops)
	return p
}

// byPriority groups the next hops of a route, the best priority first.
func byPriority(route *policy.Route) [][]policy.NextHop {
	sorted := slices.Clone(route.NextHops)
	slices.SortStableFunc(sorted, func(a, b policy.NextHop) int { return a.Priority - b.Priority })
	var groups [][]policy.NextHop
	for i, next := range sorted {
		if i == 0 || next.Priority != sorted[i-1].Priority {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], next)
	}
	return groups
}

// partOf is what one next hop adds to a plan.
func (d *Deliverer) partOf(ctx context.Context, snapshot *config.Snapshot, next policy.NextHop, recipient mailaddr.DomainName) plan {
	if next.UseDNS {
		part, end := d.planOfMX(ctx, snapshot, recipient)
		part.problem = end
		return part
	}
	tiers := hopsOf(snapshot, next)
	if len(tiers) > 0 {
		return plan{tiers: tiers}
	}
	// Validation keeps profiles that routes lead to; without one the mail waits.
	return plan{problem: routeOutcome(reply.New(451, reply.Status{Subject: 3, Detail: 5}, fmt.Sprintf("there is no %s", next)))}
}

// hopsOf returns the hops of a next hop that the configuration alone knows, in
// tiers; none for USEDNS.
func hopsOf(snapshot *config.Snapshot, next policy.NextHop) [][]hop {
	switch {
	case next.Discard:
		return [][]hop{{{discard: true}}}
	case next.UseDNS:
		return nil
	case next.ServerProfile != "":
		profile, ok := snapshot.ServerProfile(next.ServerProfile)
		if !ok || profile.Type != policy.ServerSMTP {
			return nil
		}
		return hopsOfProfile(&profile)
	}
	h := hop{port: uint16(next.PortOrDefault())}
	var byAddr bool
	if h.addr, byAddr = next.Addr(); !byAddr {
		h.host, _ = mailaddr.ParseDomainName(next.Host) // validation saw to it
	}
	return [][]hop{{h}}
}

// hopsOfProfile is a tier for each URI, or one for all where they take turns
// (B32).
func hopsOfProfile(p *policy.ServerProfile) [][]hop {
	var tiers [][]hop
	for _, e := range p.Endpoints() {
		h := hop{host: e.Host, addr: e.Addr, port: uint16(e.Port), profile: p, endpoint: e}
		if p.Preference == policy.PreferRoundRobin && len(tiers) > 0 {
			tiers[0] = append(tiers[0], h)
		} else {
			tiers = append(tiers, []hop{h})
		}
	}
	return tiers
}

// interleave joins two lists of tiers tier by tier: the first choices of both
// take turns, then their second ones.
func interleave(a, b [][]hop) [][]hop {
	if len(a) < len(b) {
		a, b = b, a
	}
	joined := slices.Clone(a)
	for i, tier := range b {
		joined[i] = slices.Concat(joined[i], tier)
	}
	return joined
}

// profileName is the name of the server profile; empty where there is none.
func (h hop) profileName() string {
	if h.profile == nil {
		return ""
	}
	return h.profile.Name
}

// identity names the server profile with all of it that a peer knows us by;
// empty where there is none. A password is named by its reference.
func (h hop) identity() string {
	if h.profile == nil {
		return ""
	}
	return fmt.Sprintf("%q user=%q password=%s implicit=%t certificate=%t",
		h.profile.Name, h.profile.Username, h.profile.PasswordID, h.endpoint.ImplicitTLS, h.profile.ClientCertificate)
}
