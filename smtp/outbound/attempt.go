package outbound

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// attempt is one try to deliver a message to recipients that share their next
// hops and requirement (see [Deliverer.Group]). It takes one snapshot at its
// beginning, and goes by what is in force then.
type attempt struct {
	*Deliverer
	snapshot   *config.Snapshot
	message    *delivery.Message
	to         destination
	requireTLS bool // the recipients are flagged (B55)
	bounce     bool // the message has the null reverse-path; what is rehearsed has none at all
	recipients []*addressee
	// sts is what the recipient domain demands by MTA-STS.
	sts    mtasts.Finding
	record delivery.Attempt
	// worst is the candidate whose failure tells most; nil while none failed.
	worst *finding
	// postponed is the earliest time at which an address that has reached its
	// limits may take more; zero where none has.
	postponed time.Time
}

// Deliver tries to hand a message to the recipients at the given positions of
// m.Recipients, and returns the record of the attempt, with an outcome for each
// of them that still shares next hops and requirement with the first (B29).
// Nothing that happens on the way is an error of the caller's: what nobody
// classified defers (B28).
func (d *Deliverer) Deliver(ctx context.Context, m *delivery.Message, recipients []int) delivery.Attempt {
	began := time.Now()
	a := &attempt{Deliverer: d, snapshot: d.Snapshot(), message: m, bounce: m.Sender.IsNull()}
	a.record = delivery.Attempt{Message: m.ID, At: d.Now(), Revision: a.snapshot.Revision}
	// B29: the configuration may be newer than the one that they were grouped by.
	group, others := grouping{a.snapshot, a.record.At}.first(m, recipients)
	a.record.LeftOut = others
	for _, i := range group {
		a.recipients = append(a.recipients, &addressee{Recipient: &m.Recipients[i]})
	}
	if len(a.recipients) > 0 {
		to := terminusOf(m, group[0])
		a.to, a.requireTLS = to.destination, to.requireTLS
		a.record.Decision.Domain = a.to.domain
		a.run(ctx)
		a.observeEnd()
	}
	for _, r := range a.recipients {
		if r.outcome != nil {
			a.record.Results = append(a.record.Results, delivery.Result{Recipient: r.Index, Outcome: *r.outcome, DSN: r.dsn})
		}
	}
	a.record.Duration = time.Since(began)
	return a.record
}

// run walks over the candidates until every recipient has its outcome.
func (a *attempt) run(ctx context.Context) {
	plan, end := a.route(ctx, a.snapshot, a.to)
	if end != nil {
		a.settle(*end)
		return
	}
	if plan.problem != nil {
		a.worst = &finding{outcome: *plan.problem, stage: plan.problem.Stage, decision: a.record.Decision}
	}
	a.askPolicy(ctx, plan.tiers)
	resting := a.walk(ctx, plan)
	// B33: addresses that were out of reach a moment ago come last.
	a.tryEach(ctx, resting)
	a.giveUp()
}

// walk goes through the tiers and returns the addresses that were left out
// because they rest.
func (a *attempt) walk(ctx context.Context, p plan) (resting []target) {
	ours := false
	for _, tier := range p.tiers {
		if tier[0].discard {
			a.tryEach(ctx, resting) // Nothing is thrown away before every host was tried.
			a.discard()
			return nil
		}
		// B33: where DNS leads back to us, this preference and all worse ones are
		// not for us to try.
		if ours && tier[0].byMX {
			continue
		}
		targets, own := a.names(ctx, tier)
		if ours = ours || own; own {
			continue
		}
		awake, asleep := a.resting.split(targets)
		resting = append(resting, asleep...)
		a.tryEach(ctx, awake)
	}
	return resting
}

// discard settles the rest by throwing it away, as the route says (B31); but
// not what waits for room at a host before it.
func (a *attempt) discard() {
	if len(a.pending()) == 0 || !a.postponed.IsZero() {
		return
	}
	a.record.Host, a.record.Address, a.record.TLS = devNull, "", delivery.SessionTLS{}
	a.settle(discardOutcome())
}

// tryEach uses the addresses in order, as long as there are recipients left, and
// time: after the end of the context one failure is enough to explain.
func (a *attempt) tryEach(ctx context.Context, targets []target) {
	for _, to := range targets {
		if len(a.pending()) == 0 || ctx.Err() != nil && a.worst != nil {
			return
		}
		a.try(ctx, to)
	}
}

// giveUp settles whom no candidate served. The record is then about the
// candidate whose failure tells most.
func (a *attempt) giveUp() {
	if len(a.pending()) == 0 {
		return
	}
	// B21: an address that may take them soon is worth waiting for, whatever the
	// others said.
	if !a.postponed.IsZero() {
		a.record.PostponedUntil = a.postponed
		return
	}
	if a.worst == nil {
		a.settle(*loopOutcome()) // every candidate led back to us
		return
	}
	a.record.Decision, a.record.Host = a.worst.decision, a.worst.host
	a.record.Address, a.record.TLS = a.worst.address, a.worst.tls
	a.settle(a.worst.outcome)
}

// lose notes that a candidate failed for good in this attempt.
func (a *attempt) lose(f *failure, about finding) {
	about.outcome, about.stage = f.outcome(about.decision), f.stage
	if a.worst == nil || about.tellsMore(*a.worst) {
		a.worst = &about
	}
}

// names finds the addresses of a whole tier before any of it is tried, since one
// of them may be ours.
func (a *attempt) names(ctx context.Context, tier []hop) (targets []target, own bool) {
	for _, h := range tier {
		found, f := a.resolve(ctx, h)
		if f != nil {
			a.lose(f, finding{decision: a.record.Decision, host: h.String()})
			a.note(delivery.HostTry{Host: h.String()}, f)
		}
		for _, to := range found {
			own = own || h.byMX && a.leadsBack(a.snapshot, to.addr.Addr())
			targets = append(targets, to)
		}
	}
	return targets, own
}

// try uses one address, by as many rungs of the ladder as the decision grants.
func (a *attempt) try(ctx context.Context, to target) {
	t := a.terms(to)
	a.record.Decision = t.decision
	a.record.Host, a.record.Address, a.record.TLS = to.hop.String(), to.addr.String(), delivery.SessionTLS{}
	if !a.enter(to, t) {
		return
	}
	defer a.leave(to, t)
	for {
		f := a.climb(ctx, to, t)
		if f == nil {
			return
		}
		next, ok := t.rung.next(t.decision, f)
		// B24; the grant of a server profile needs no list (B32).
		if ok && next.level == policy.TLSNone && !t.decision.ClearAfterFailedTLS {
			ok = a.OneHour.Add(to.addr.Addr(), to.host, f.detail)
		}
		if !ok {
			a.lose(f, finding{decision: t.decision, host: to.hop.String(), address: to.addr.String(), tls: a.record.TLS})
			return
		}
		t.rung = next
	}
}

// terms is the stage that decides what TLS the destination needs at the address
// (B27).
func (a *attempt) terms(to target) terms {
	// B29: as of the beginning, since what expires on the way may do so for some
	// of the recipients only.
	in := inputsFor(a.snapshot, a.to.domain, to.hop, to.addr.Addr(), a.record.At)
	a.addDANE(&in, to)
	a.addPolicy(&in, to.hop)
	in.RequireTLS, in.TLSRequiredNo = a.requireTLS, a.message.TLSRequiredNo // B55, B58
	decision := policy.Effective(in)
	if a.to == (destination{}) {
		decision.Checks = withoutDomain(decision.Checks)
	}
	return terms{
		decision: decision,
		rung:     firstRung(decision, a.OneHour.Contains(to.addr.Addr())),
		hello:    a.snapshot.Settings.Outbound.HostName,
		control:  in.Control,
		revision: a.snapshot.Revision,

		published: a.published(&in),
		reported:  reportedBy(in),
		recipient: a.to,
		bounce:    a.bounce,
	}
}

// withoutDomain returns checks that a peer can be held to where no recipient
// domain was asked about, as in the live test of a server profile: to the name
// that it goes by, which for a profile is that of its URI (B32).
func withoutDomain(checks []policy.Check) (kept []policy.Check) {
	for _, check := range checks {
		if check == policy.CheckDomain || check == policy.CheckHosted {
			check = policy.CheckMXHost
		}
		if !slices.Contains(kept, check) {
			kept = append(kept, check)
		}
	}
	return kept
}

// inputsFor gathers what is known about sending a domain's mail to a hop.
func inputsFor(s *config.Snapshot, recipient mailaddr.DomainName, h hop, addr netip.Addr, now time.Time) policy.OutboundInputs {
	in := s.OutboundInputs(recipient, h.host, addr, now)
	in.Configured, in.SecureMX = !h.byMX, h.mx.Authenticated
	if h.byMX {
		in.Routed = false // USEDNS leads where the published policies are about (B31)
	}
	if h.profile != nil {
		in.Profile = h.profile.Requirement(h.endpoint)
	}
	return in
}

// climb uses one rung: it takes or makes connections until every recipient has
// its outcome or one fails.
func (a *attempt) climb(ctx context.Context, to target, t terms) *failure {
	if f := barredBy(t.decision); f != nil {
		a.reportSession(to, t, nil, f)
		a.note(delivery.HostTry{Host: to.hop.String(), Address: to.addr.String(), Level: t.rung.level}, f)
		return f
	}
	for len(a.pending()) > 0 {
		if f := a.use(ctx, to, t); f != nil {
			return f
		}
	}
	return nil
}

// use serves recipients over one connection: an idle one, or a new one.
func (a *attempt) use(ctx context.Context, to target, t terms) *failure {
	s := a.pool.take(t.keyFor(to))
	reused := s != nil
	var f *failure
	if !reused {
		s, f = a.open(ctx, to, t)
		a.resting.note(to.addr, f)
		a.observeConnection(to, t, s, f)
		a.reportSession(to, t, s, f)
	}
	if f == nil {
		pending := len(a.pending())
		f = a.transfer(ctx, s, to, t)
		// An idle connection may be dead without our knowing: that says nothing
		// about the peer.
		if reused && f != nil && f.isStale() && len(a.pending()) == pending {
			return nil
		}
	}
	a.record.TLS, a.record.Reused = s.tls, reused
	a.note(delivery.HostTry{
		Host: to.hop.String(), Address: to.addr.String(), TLS: s.tls, Level: t.rung.level, Evidence: evidenceOf(to, t, s, f),
	}, f)
	return f
}

// isStale reports whether an idle connection may fail like this for no other
// reason than that it was idle.
func (f *failure) isStale() bool {
	return f.class == lost || f.class == turnedAway && f.reply.Code == 421
}

// transfer is the last stage: transactions until every recipient has its
// outcome, as far as the connection goes.
func (a *attempt) transfer(ctx context.Context, s *session, to target, t terms) *failure {
	for pending := a.pending(); len(pending) > 0 && !s.exhausted(); pending = a.pending() {
		batch := pending[:min(len(pending), s.batch())]
		f := s.client.send(ctx, a.message, batch, t.passesOn(s))
		a.observeMessage(t, s, batch)
		a.reportTaken(to, t, s, batch)
		if f != nil {
			s.client.leave(f)
			return f
		}
		s.messages++
	}
	if s.exhausted() || t.decision.RequireTLS && !t.passesOn(s) {
		s.client.quit()
	} else {
		a.pool.put(s)
	}
	return nil
}

// exhausted reports whether the connection has carried what it may.
func (s *session) exhausted() bool {
	offered := s.client.offers.maxMessages
	return s.limit > 0 && s.messages >= s.limit || offered > 0 && s.messages >= offered
}

// batch returns how many recipients a transaction may have.
func (s *session) batch() int {
	if offered := s.client.offers.maxRecipients; offered > 0 {
		return min(maxBatch, offered)
	}
	return maxBatch
}

// pending are the recipients without an outcome, apart from those that the
// limits of the address hold back.
func (a *attempt) pending() []*addressee {
	var list []*addressee
	for _, r := range a.recipients {
		if r.outcome == nil && !r.held {
			list = append(list, r)
		}
	}
	return list
}

// settle gives the outcome to all that have none.
func (a *attempt) settle(o delivery.Outcome) {
	for _, r := range a.pending() {
		r.settle(o)
	}
}

// note records what came of a candidate.
func (a *attempt) note(h delivery.HostTry, f *failure) {
	h.Stage, h.Result = delivery.StageTransfer, "done"
	if f != nil {
		h.Stage, h.Result = f.stage, f.detail
	}
	a.record.Hosts = append(a.record.Hosts, h)
}
