package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// Verifier makes live tests: it takes the very steps of a delivery, up to and
// not including MAIL, and reports each of them (B71). Test and delivery cannot
// disagree, since they are the same code; and no delivery notices a test, since
// it leaves the pool, the one-hour list and the resting addresses alone.
type Verifier struct {
	deliverer *Deliverer
	slots     chan struct{}
}

// Bounds of live tests.
const (
	maxTests  = 2  // at a time
	maxTested = 10 // candidates of one test
)

// NewVerifier returns a verifier that tests what the deliverer would do.
func NewVerifier(d *Deliverer) *Verifier {
	return &Verifier{deliverer: d, slots: make(chan struct{}, maxTests)}
}

// Verify makes a live test. Errors are of kind Invalid for a question that
// cannot be asked, and Exhausted where enough tests are under way.
func (v *Verifier) Verify(ctx context.Context, q probe.Question) (probe.Verification, error) {
	a := v.deliverer.rehearse(v.deliverer.Snapshot(), new(delivery.Message), terminus{destination{domain: q.Domain}, q.RequireTLS})
	only, err := a.tiersToTest(q)
	if err != nil {
		return probe.Verification{}, err
	}
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	default:
		return probe.Verification{}, domain.E(domain.Exhausted, "%d live tests are under way: try again when one is over", maxTests)
	}
	limit := probe.MaxVerifyTime
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return a.verify(ctx, q, only), nil
}

// tiersToTest returns the hops that the question names; none where it asks for
// those of the domain.
func (a *attempt) tiersToTest(q probe.Question) ([][]hop, error) {
	switch {
	case q.ServerProfile != "" && q.Host != "":
		return nil, domain.Faults{{Pointer: "/server_profile", Message: "goes without host: the profile names its own"}}.Err()
	case q.ServerProfile != "":
		return a.profileToTest(q.ServerProfile)
	case q.Host != "":
		h, err := a.hopToTest(q)
		return [][]hop{{h}}, err
	}
	return nil, nil
}

// profileToTest returns the hops of a server profile (B32).
func (a *attempt) profileToTest(name string) ([][]hop, error) {
	profile, ok := a.snapshot.ServerProfile(name)
	switch {
	case !ok:
		return nil, domain.E(domain.NotFound, "there is no server profile %q", name)
	case profile.Type != policy.ServerSMTP:
		return nil, domain.E(domain.Conflict, "server profile %q is of type %s: it takes no mail", name, profile.Type)
	}
	return hopsOfProfile(&profile), nil
}

// submissionPort is where hosts take mail of their users (RFC 6409 §3.1).
const submissionPort = 587

// hopToTest returns the host of the question.
//
// A test shows what a peer says, so that it must not become a way to look at
// whatever listens inside a network: the port is one of SMTP's, or that of a
// next hop to which mail of the domain goes anyway.
func (a *attempt) hopToTest(q probe.Question) (hop, error) {
	var faults domain.Faults
	h := hop{port: uint16(cmp.Or(q.Port, policy.DefaultSMTPPort))}
	var byAddr bool
	if h.addr, byAddr = (policy.NextHop{Host: q.Host}).Addr(); !byAddr {
		var err error
		if h.host, err = mailaddr.ParseDomainName(q.Host); err != nil {
			faults.Add("/host", "%q is neither a host name nor an IP address", q.Host)
		}
	}
	if int(h.port) != cmp.Or(q.Port, policy.DefaultSMTPPort) || !a.mayTest(h) {
		faults.Add("/port", "must be %d or %d, or the port of a next hop in the domain's route", policy.DefaultSMTPPort, submissionPort)
	}
	return h, faults.Err()
}

func (a *attempt) mayTest(h hop) bool {
	return h.port == policy.DefaultSMTPPort || h.port == submissionPort || a.routesTo(h)
}

// routesTo reports whether the route of the domain has the next hop.
func (a *attempt) routesTo(h hop) bool {
	if a.to.domain == "" {
		return false
	}
	route := a.snapshot.Route(a.to.domain)
	return route != nil && slices.ContainsFunc(route.NextHops, func(n policy.NextHop) bool {
		return slices.ContainsFunc(slices.Concat(hopsOf(a.snapshot, n)...), h.sameServer)
	})
}

// sameServer reports whether both hops are one server, whoever names it.
func (h hop) sameServer(other hop) bool {
	return h.host == other.host && h.addr == other.addr && h.port == other.port
}

// verify tests the candidates and weighs what came of them as an attempt does.
func (a *attempt) verify(ctx context.Context, q probe.Question, only [][]hop) probe.Verification {
	v := probe.Verification{Domain: q.Domain.String(), ServerProfile: q.ServerProfile, Revision: a.snapshot.Revision}
	if q.Host != "" {
		v.Host = fmt.Sprintf("%s:%d", only[0][0], only[0][0].port)
	}
	var found candidates
	if only == nil {
		found = a.candidates(ctx)
	}
	if only != nil {
		a.askPolicy(ctx, only)
	}
	for i, tier := range only {
		list, _ := a.tier(ctx, tier, i+1)
		found.list = append(found.list, list...)
	}
	v.Outcome, v.LeftOff = found.end, max(len(found.list)-maxTested, 0)
	for _, r := range a.testAll(ctx, found.list[:len(found.list)-v.LeftOff]) {
		v.Candidates = append(v.Candidates, r.report)
		if r.failure != nil {
			a.lose(r.failure, finding{decision: r.report.Decision})
		} else if v.ReadyAt == "" {
			v.ReadyAt = cmp.Or(r.report.Address, r.report.Host)
		}
	}
	if v.ReadyAt == "" && a.worst != nil {
		v.Outcome = &a.worst.outcome
	}
	return v
}

// testAll tests all candidates at once, so that one which keeps silent costs the
// others nothing.
func (a *attempt) testAll(ctx context.Context, list []candidate) []tested {
	results := make([]tested, len(list))
	var tests sync.WaitGroup
	for i, c := range list {
		tests.Go(func() { results[i] = a.test(ctx, c) })
	}
	tests.Wait()
	return results
}

// tested is a candidate with what came of it.
type tested struct {
	report  probe.Tested
	failure *failure // nil where it is ready for MAIL
}

// test uses one address as [attempt.try] does, by as many rungs of the ladder as
// the decision grants.
func (a *attempt) test(ctx context.Context, c candidate) tested {
	r := tested{report: probe.Tested{Candidate: a.explainCandidate(c)}, failure: c.failure}
	if c.failure == nil && !c.discard {
		t := a.terms(c.target)
		if r.failure = barredBy(t.decision); r.failure == nil {
			r.failure = a.testLadder(ctx, c.target, t, &r.report)
		}
	}
	if r.failure != nil {
		o := r.failure.outcome(r.report.Decision)
		r.report.Outcome = &o
	}
	return r
}

func (a *attempt) testLadder(ctx context.Context, to target, t terms, report *probe.Tested) *failure {
	for {
		f := a.testRung(ctx, to, t, report)
		if f == nil {
			return nil
		}
		next, ok := t.rung.next(t.decision, f)
		if !ok {
			return f
		}
		t.rung = next
	}
}

// testRung makes one connection and ends it where a delivery would say MAIL.
func (a *attempt) testRung(ctx context.Context, to target, t terms, report *probe.Tested) *failure {
	t.trace = newTrace()
	s, f := a.open(ctx, to, t)
	if f == nil {
		s.client.quit()
	}
	f = withinLimit(ctx, f)
	connection := probe.Connection{Rung: t.rung.shown(), Steps: t.trace.steps, TLS: s.tls}
	if f != nil {
		connection.FailedAt, connection.Failure = f.stage, f.detail
	}
	report.Connections = append(report.Connections, connection)
	if state := t.trace.state; state != nil {
		report.Chain = showChain(state.PeerCertificates)
		report.Checks = a.testChecks(ctx, state.PeerCertificates, to, t)
	}
	return f
}

// withinLimit tells the end of the time of the test from a stop: what did not
// come in time is silence, although a delivery would wait longer.
func withinLimit(ctx context.Context, f *failure) *failure {
	if f == nil || f.class != stopped || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return f
	}
	return &failure{stage: f.stage, class: timedOut, detail: "the peer did not answer within the time of the test; a delivery waits longer"}
}
