package config

import (
	"net/netip"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// HopInputs gathers what the configuration says about sending a recipient
// domain's mail, once for each next hop that its route names: their hosts may be
// on the STARTTLS lists, and server profiles have demands of their own (B25,
// B32). Where DNS names the hosts, or there is no route, none is known.
func (s *Snapshot) HopInputs(recipient mailaddr.DomainName, now time.Time) (list []policy.OutboundInputs) {
	if route := s.Route(recipient); route != nil {
		for _, next := range route.NextHops {
			list = append(list, s.inputsOf(next, recipient, now)...)
		}
	}
	if len(list) == 0 {
		list = append(list, s.OutboundInputs(recipient, "", netip.Addr{}, now))
	}
	return list
}

// inputsOf returns those of one next hop: one for each URI of a server profile.
func (s *Snapshot) inputsOf(next policy.NextHop, recipient mailaddr.DomainName, now time.Time) (list []policy.OutboundInputs) {
	switch {
	case next.Discard:
		return nil
	case next.UseDNS:
		in := s.OutboundInputs(recipient, "", netip.Addr{}, now)
		in.Routed = false // the published policies are about these hosts (B31)
		return append(list, in)
	case next.ServerProfile != "":
		profile, _ := s.ServerProfile(next.ServerProfile) // validation saw to it
		for _, e := range profile.Endpoints() {
			in := s.OutboundInputs(recipient, e.Host, e.Addr, now)
			in.Profile = profile.Requirement(e)
			list = append(list, in)
		}
		return list
	}
	addr, byAddr := next.Addr()
	if byAddr {
		return append(list, s.OutboundInputs(recipient, "", addr, now))
	}
	host, _ := mailaddr.ParseDomainName(next.Host) // validation saw to it
	return append(list, s.OutboundInputs(recipient, host, netip.Addr{}, now))
}
