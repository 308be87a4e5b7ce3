package outbound

import (
	"context"
	"slices"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dns"
	"postern/smtp/reply"
)

// Explain runs the stages of an attempt up to the decision for every candidate,
// and connects to none (B71). What it says is what an attempt at that moment
// would do.
func (d *Deliverer) Explain(ctx context.Context, domain mailaddr.DomainName) probe.Destination {
	return d.ExplainUnder(ctx, d.Snapshot(), domain)
}

// ExplainUnder is [Deliverer.Explain] for a configuration that need not be the
// running one, such as that of a draft.
func (d *Deliverer) ExplainUnder(ctx context.Context, snapshot *config.Snapshot, domain mailaddr.DomainName) probe.Destination {
	return d.explain(ctx, snapshot, new(delivery.Message), terminus{destination: destination{domain: domain}})
}

// ExplainFlaggedUnder is [Deliverer.ExplainUnder] for mail under REQUIRETLS (B56).
func (d *Deliverer) ExplainFlaggedUnder(ctx context.Context, snapshot *config.Snapshot, domain mailaddr.DomainName) probe.Destination {
	return d.explain(ctx, snapshot, new(delivery.Message), terminus{destination{domain: domain}, true})
}

// maxExplained bounds the groups of a message that are explained: each costs
// look-ups.
const maxExplained = 10

// ExplainMessage explains the delivery to those recipients of the message that
// are still to be tried, in the groups in which attempts would serve them (B29).
// One snapshot decides about all of it.
func (d *Deliverer) ExplainMessage(ctx context.Context, m *delivery.Message) []probe.MessageGroup {
	return d.ExplainMessageUnder(ctx, d.Snapshot(), m)
}

// ExplainMessageUnder is [Deliverer.ExplainMessage] for a configuration that need
// not be the running one.
func (d *Deliverer) ExplainMessageUnder(ctx context.Context, snapshot *config.Snapshot, m *delivery.Message) []probe.MessageGroup {
	var waiting []int
	for i := range m.Recipients {
		if !m.Recipients[i].State.Final() {
			waiting = append(waiting, i)
		}
	}
	var groups []probe.MessageGroup
	for i, recipients := range (grouping{snapshot, d.Now()}).of(m, waiting) {
		group := probe.MessageGroup{Recipients: recipients}
		if i < maxExplained {
			e := d.explain(ctx, snapshot, m, terminusOf(m, recipients[0]))
			group.Destination = &e
		}
		groups = append(groups, group)
	}
	return groups
}

func (d *Deliverer) explain(ctx context.Context, snapshot *config.Snapshot, m *delivery.Message, to terminus) probe.Destination {
	a := d.rehearse(snapshot, m, to)
	e := probe.Destination{Domain: to.String(), Revision: a.snapshot.Revision, TLS: a.snapshot.Settings.TLS}
	e.Control, _ = a.snapshot.Control(to.domain)
	e.Origins = a.snapshot.ControlOrigins(to.domain)
	e.TrustAnchors = a.snapshot.TrustAnchorNames(policy.TrustAuthority, policy.TrustPinned)
	if to.domain != "" {
		e.Route = a.snapshot.Route(to.domain)
	}
	if to.domain != "" && asksDNS(e.Route) {
		e.MX = d.explainMX(ctx, to.domain)
	}
	found := a.candidates(ctx)
	e.Outcome, e.LeftOut, e.MTASTS = found.end, found.leftOut, a.stsEvidence()
	for _, c := range found.list {
		e.Candidates = append(e.Candidates, a.explainCandidate(c))
	}
	return e
}

// asksDNS reports whether MX records name next hops of a domain with the route;
// nil is none.
func asksDNS(route *policy.Route) bool {
	return route == nil || slices.ContainsFunc(route.NextHops, func(n policy.NextHop) bool { return n.UseDNS })
}

// rehearse makes an attempt that will never hand anything over.
func (d *Deliverer) rehearse(snapshot *config.Snapshot, m *delivery.Message, to terminus) *attempt {
	a := &attempt{Deliverer: d, snapshot: snapshot, message: m, to: to.destination, requireTLS: to.requireTLS}
	a.record.At, a.record.Decision.Domain = d.Now(), to.domain
	return a
}

// String returns the domain, or the address literal in brackets.
func (to destination) String() string {
	if to.literal.IsValid() {
		return "[" + to.literal.String() + "]"
	}
	return to.domain.String()
}

// explainMX shows what the stage route has to go by.
func (d *Deliverer) explainMX(ctx context.Context, domain mailaddr.DomainName) *probe.MX {
	found, err := d.Resolver.LookupMX(ctx, domain)
	if err != nil {
		return &probe.MX{Problem: reply.Quote(err.Error(), maxErrorOctets)}
	}
	e := &probe.MX{Null: found.Null, Implicit: found.Class == dns.NoData, Authenticated: found.Authenticated}
	if found.Class == dns.NoName {
		e.Problem = "the domain does not exist"
	}
	for _, mx := range found.Hosts {
		e.Records = append(e.Records, probe.MXRecord{Preference: int(mx.Preference), Host: mx.Host.String()})
	}
	return e
}

// candidate is an address that an attempt would try, or a next hop without one.
type candidate struct {
	target
	preference int // the tier, from 1
	resting    bool
	failure    *failure // of the stage names; nil where there is an address
}

// candidates are those of an attempt, in the order in which it would try them.
type candidates struct {
	list []candidate
	// leftOut says what is not among them because it leads back to us.
	leftOut string
	// end is the outcome of an attempt that has none to try.
	end *delivery.Outcome
}

func (a *attempt) candidates(ctx context.Context) (c candidates) {
	plan, end := a.route(ctx, a.snapshot, a.to)
	if end != nil {
		return candidates{end: end}
	}
	a.askPolicy(ctx, plan.tiers)
	var asleep []candidate
	for i, tier := range plan.tiers {
		if tier[0].discard { // Every host comes before it, and nothing behind it: see walk.
			asleep = append(asleep, candidate{target: target{hop: tier[0]}, preference: i + 1})
			break
		}
		if c.leftOut != "" && tier[0].byMX { // B33
			continue
		}
		found, own := a.tier(ctx, tier, i+1)
		if own != nil {
			c.leftOut = own.hop.String() + " at " + own.addr.Addr().String() + " is this system: it and what has no better preference is left out"
			continue
		}
		for _, each := range found {
			if each.resting {
				asleep = append(asleep, each)
			} else {
				c.list = append(c.list, each)
			}
		}
	}
	c.list = append(c.list, asleep...)
	switch {
	case len(c.list) > 0:
	case plan.problem != nil:
		c.end = plan.problem
	default:
		c.end = loopOutcome()
	}
	return c
}

// tier finds the candidates of one preference, and which of them leads back to
// us, if one does.
func (a *attempt) tier(ctx context.Context, tier []hop, preference int) (found []candidate, own *target) {
	for _, h := range tier {
		targets, f := a.resolve(ctx, h)
		if f != nil {
			found = append(found, candidate{target: target{hop: h}, preference: preference, failure: f})
		}
		for _, to := range targets {
			if h.byMX && a.leadsBack(a.snapshot, to.addr.Addr()) {
				own = &to
			}
			_, asleep := a.resting.split([]target{to})
			found = append(found, candidate{target: to, preference: preference, resting: len(asleep) > 0})
		}
	}
	return found, own
}

// explainCandidate shows the decision for an address.
func (a *attempt) explainCandidate(c candidate) probe.Candidate {
	e := probe.Candidate{Host: c.hop.String(), ServerProfile: c.profileName(), Preference: c.preference, Resting: c.resting}
	if c.discard {
		e.Problem = "the route discards the mail here"
		return e
	}
	if c.failure != nil {
		e.Problem = c.failure.detail
		return e
	}
	t := a.terms(c.target)
	e.Address, e.Decision, e.Ladder = c.addr.String(), t.decision, ladder(t)
	e.OneHourListed = a.OneHour.Contains(c.addr.Addr())
	e.DANE = c.target.explainDANE()
	return e
}

// ladder lists the rungs that failed handshakes would lead over.
func ladder(t terms) []probe.Rung {
	if t.decision.Refused != nil {
		return nil
	}
	var rungs []probe.Rung
	failed := &failure{class: handshakeFailed}
	for r, ok := t.rung, true; ok; r, ok = r.next(t.decision, failed) {
		rungs = append(rungs, r.shown())
	}
	return rungs
}

func (r rung) shown() probe.Rung {
	return probe.Rung{Level: r.level, SmallClientHello: r.smallHello}
}
