package outbound

import (
	"context"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// Explain runs the stages of an attempt up to the decision for every candidate,
// and connects to none (B71). What it says is what an attempt at that moment
// would do.
func (d *Deliverer) Explain(ctx context.Context, domain mailaddr.DomainName) probe.Destination {
	snapshot := d.Snapshot()
	e := probe.Destination{Domain: domain.String(), Revision: snapshot.Revision, Route: snapshot.Route(domain)}
	e.Control, _ = snapshot.Control(domain)
	e.TrustAnchors = snapshot.TrustAnchorNames(policy.TrustAuthority, policy.TrustPinned)
	a := &attempt{
		Deliverer: d, snapshot: snapshot, message: new(delivery.Message), to: destination{domain: domain},
	}
	plan, end := a.route(ctx, snapshot, a.to)
	if end != nil {
		e.Outcome = end
		return e
	}
	ours := false
	for _, tier := range plan.tiers {
		if ours && tier[0].byMX { // B33
			continue
		}
		candidates, own := a.explainTier(ctx, tier)
		if ours = ours || own; !own {
			e.Candidates = append(e.Candidates, candidates...)
		}
	}
	switch {
	case plan.problem != nil:
		e.Outcome = plan.problem
	case len(e.Candidates) == 0:
		e.Outcome = loopOutcome()
	}
	return e
}

func (a *attempt) explainTier(ctx context.Context, tier []hop) (candidates []probe.Candidate, own bool) {
	if tier[0].discard {
		return []probe.Candidate{{Host: devNull, Problem: "the route discards the mail here"}}, false
	}
	for _, h := range tier {
		targets, f := a.resolve(ctx, h)
		if f != nil {
			candidates = append(candidates, probe.Candidate{Host: h.String(), Problem: f.detail})
		}
		for _, to := range targets {
			own = own || h.byMX && a.leadsBack(a.snapshot, to.addr.Addr())
			candidates = append(candidates, a.explainTarget(to))
		}
	}
	return candidates, own
}

func (a *attempt) explainTarget(to target) probe.Candidate {
	t := a.terms(to)
	return probe.Candidate{
		Host: to.hop.String(), ServerProfile: to.profileName(), Address: to.addr.String(), Decision: t.decision,
		OneHourListed: a.OneHour.Contains(to.addr.Addr()), Ladder: ladder(t),
	}
}

// ladder lists the rungs that failed handshakes would lead over.
func ladder(t terms) []probe.Rung {
	if t.decision.Refused != nil {
		return nil
	}
	var rungs []probe.Rung
	failed := &failure{class: handshakeFailed}
	for r, ok := t.rung, true; ok; r, ok = r.next(t.decision, failed) {
		rungs = append(rungs, probe.Rung{Level: r.level, SmallClientHello: r.smallHello})
	}
	return rungs
}
