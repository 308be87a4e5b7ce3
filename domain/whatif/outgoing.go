package whatif

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// judgement is what becomes of a unit, and why. Two with the same key ask the
// same, so that nothing changes between them whatever is known.
type judgement struct {
	class   Class
	key     string
	because string // the rule that decides
	// action is that of the mail flow policy; sessions only.
	action policy.FlowAction
}

// outgoing judges attempts under one snapshot.
type outgoing struct {
	snapshot *config.Snapshot
	// trusted says that the trust anchors are those of the evidence.
	trusted bool
	now     time.Time
}

// judge says what an attempt would come to (B27, B28).
func (o *outgoing) judge(a *delivery.Attempt) judgement {
	var j judgement
	var peerClasses []Class
	for _, p := range Peers(a) {
		in, ok := o.inputs(a, &p)
		if !ok {
			continue // mail does not go there
		}
		d := policy.Effective(in)
		j.key += fmt.Sprintf("%s %s at_once=%t refused=%s; ", p.Address, d.Key(), d.BounceAtOnce, refusalCode(d))
		j.because = cmp.Or(j.because, ruleOf(d))
		class := p.Under(d, o.trusted)
		if class.Handed() {
			j.class = p.settle(a, class)
			return j
		}
		peerClasses = append(peerClasses, class)
	}
	if len(peerClasses) == 0 {
		j.key = "by " + o.way(a.Decision.Domain)
	}
	j.class = weigh(peerClasses)
	return j
}

// weigh sums up hosts none of which mail can be handed to. As long as one may
// serve later, nothing bounces (B28).
func weigh(classes []Class) Class {
	worst := Bounced
	for _, c := range classes {
		switch {
		case c == Unknown:
			return Unknown
		case c == Deferred:
			worst = Deferred
		}
	}
	if len(classes) == 0 {
		return Unknown
	}
	return worst
}

// settle returns how a handover ends: by the peer's own word, where it was asked.
func (p *Peer) settle(a *delivery.Attempt, handed Class) Class {
	if !p.reached || len(a.Results) == 0 {
		return handed
	}
	end := Bounced
	for _, r := range a.Results {
		switch r.Outcome.Status {
		case delivery.Delivered:
			return handed
		case delivery.Deferred:
			end = Deferred
		}
	}
	return end
}

func refusalCode(d policy.Decision) string {
	if d.Refused == nil {
		return ""
	}
	return d.Refused.Code
}

// ruleOf names the first rule that applies, with its entry.
func ruleOf(d policy.Decision) string {
	if d.Refused != nil {
		return d.Refused.Rule
	}
	for _, r := range d.Reasons {
		if r.OverruledBy == "" {
			return fmt.Sprintf("%s %s: %s", r.Rule, r.Entry, r.Asks)
		}
	}
	return ""
}

// inputs gathers what bears on mail to the peer; false where the configuration
// does not lead there.
func (o *outgoing) inputs(a *delivery.Attempt, p *Peer) (in policy.OutboundInputs, ok bool) {
	h := hopOf(p)
	profile, ok := o.leadsTo(a.Decision.Domain, h)
	if !ok {
		return in, false
	}
	in = o.snapshot.OutboundInputs(a.Decision.Domain, h.host, h.addr.Addr(), o.now)
	in.Profile = profile
	in.Configured = !h.byMX
	in.Routed = in.Routed && !h.byMX // USEDNS leads where the published policies are about (B31)
	in.RequireTLS = a.Decision.RequireTLS
	if p.Evidence != nil {
		p.Evidence.Published.Fill(&in)
	}
	return in, true
}

// hop is a host as a record names it.
type hop struct {
	host mailaddr.DomainName // empty: named by its address
	addr netip.AddrPort
	byMX bool
	// known says that byMX and profile are known.
	known   bool
	profile string
}

func hopOf(p *Peer) hop {
	h := hop{}
	h.addr, _ = netip.ParseAddrPort(p.Address) // invalid where no address was found
	if _, err := netip.ParseAddr(p.Host); err != nil {
		h.host, _ = mailaddr.ParseDomainName(p.Host)
	}
	if p.Evidence != nil {
		h.known, h.byMX, h.profile = true, p.Evidence.ByMX, p.Evidence.ServerProfile
	}
	return h
}

// leadsTo reports whether mail of the domain goes to the hop, and by which
// server profile.
func (o *outgoing) leadsTo(name mailaddr.DomainName, h hop) (*policy.ProfileRequirement, bool) {
	var route *policy.Route
	if name != "" {
		route = o.snapshot.Route(name)
	}
	if route == nil {
		return nil, h.byMX || !h.known
	}
	for _, next := range route.NextHops {
		switch {
		case next.UseDNS && (h.byMX || !h.known):
			return nil, true
		case next.ServerProfile != "" && (next.ServerProfile == h.profile || !h.known):
			if requirement := o.profile(next.ServerProfile, h); requirement != nil {
				return requirement, true
			}
		case next.Host != "" && !h.byMX && h.profile == "" && h.isNext(next):
			return nil, true
		}
	}
	return nil, false
}

// profile returns what a server profile asks of the hop; nil where the hop is
// none of its own.
func (o *outgoing) profile(name string, h hop) *policy.ProfileRequirement {
	p, _ := o.snapshot.ServerProfile(name)
	for _, e := range p.Endpoints() {
		if h.is(e.Host, e.Addr, e.Port) {
			return p.Requirement(e)
		}
	}
	return nil
}

func (h hop) isNext(next policy.NextHop) bool {
	addr, byAddr := next.Addr()
	if byAddr {
		return h.is("", addr, next.PortOrDefault())
	}
	name, _ := mailaddr.ParseDomainName(next.Host) // validation saw to it
	return h.is(name, netip.Addr{}, next.PortOrDefault())
}

// is reports whether the hop is the host, or the address where there is no host.
func (h hop) is(host mailaddr.DomainName, addr netip.Addr, port int) bool {
	if h.addr.IsValid() && int(h.addr.Port()) != port {
		return false
	}
	return host != "" && h.host == host || host == "" && h.host == "" && h.addr.Addr().Unmap() == addr.Unmap()
}

// way describes where the mail of a domain goes, for attempts that met no host.
func (o *outgoing) way(name mailaddr.DomainName) string {
	if name == "" {
		return ""
	}
	if route := o.snapshot.Route(name); route != nil {
		return fmt.Sprintf("%+v", route.NextHops)
	}
	return "MX"
}
