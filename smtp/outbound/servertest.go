package outbound

import (
	"context"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/probe"
)

// Bounds of live tests.
const (
	maxTests    = 2 // at a time
	testTimeout = time.Minute
)

// TestServerProfile walks through the stages of a delivery for every URI of a
// profile, live, up to MAIL, which is not sent (B32). What it does is what a
// delivery to a recipient domain without a destination control of its own would
// do; idle connections, the one-hour list and the memory of addresses out of
// reach are neither used nor changed. NotFound where there is no such profile,
// Exhausted where too many tests are under way.
func (d *Deliverer) TestServerProfile(ctx context.Context, name string) (probe.ServerTest, error) {
	snapshot := d.Snapshot()
	profile, ok := snapshot.ServerProfile(name)
	switch {
	case !ok:
		return probe.ServerTest{}, domain.E(domain.NotFound, "there is no server profile %q", name)
	case profile.Type != policy.ServerSMTP:
		return probe.ServerTest{}, domain.E(domain.Conflict, "server profile %q is of type %s: it takes no mail", name, profile.Type)
	case !d.testing.TryAcquire(1):
		return probe.ServerTest{}, domain.E(domain.Exhausted, "%d tests are under way: try again when they have ended", maxTests)
	}
	defer d.testing.Release(1)
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	result := probe.ServerTest{Profile: name, Revision: snapshot.Revision, Passed: true}
	for _, tier := range hopsOfProfile(&profile) {
		for _, h := range tier {
			tries, passed := d.testHop(ctx, snapshot, h)
			result.Tries = append(result.Tries, tries...)
			result.Passed = result.Passed && passed
		}
	}
	return result, nil
}

// testHop tries every address of a hop, and returns whether one passed.
func (d *Deliverer) testHop(ctx context.Context, snapshot *config.Snapshot, h hop) (tries []probe.ServerTry, passed bool) {
	a := &attempt{Deliverer: d, snapshot: snapshot, message: new(delivery.Message)}
	began := time.Now()
	targets, f := d.resolve(ctx, h)
	names := probe.Step{Stage: delivery.StageNames, Duration: time.Since(began)}
	if f != nil {
		names.Problem = f.detail
		return []probe.ServerTry{{Host: h.String(), Steps: []probe.Step{names}}}, false
	}
	for _, to := range targets {
		for t, ok := a.terms(to), true; ok; {
			try, f := d.testOnce(ctx, to, t)
			try.Steps = append([]probe.Step{names}, try.Steps...)
			tries, passed = append(tries, try), passed || try.Passed
			if ok = f != nil; ok {
				t.rung, ok = t.rung.next(t.decision, f)
			}
		}
	}
	return tries, passed
}

// testOnce makes one connection and leaves it at once.
func (d *Deliverer) testOnce(ctx context.Context, to target, t terms) (probe.ServerTry, *failure) {
	try := probe.ServerTry{
		Host: to.hop.String(), Address: to.addr.String(), Decision: t.decision,
		Rung: probe.Rung{Level: t.rung.level, SmallClientHello: t.rung.smallHello},
	}
	if t.decision.Refused != nil {
		try.Steps = []probe.Step{{Stage: delivery.StagePolicy, Problem: t.decision.Refused.Detail}}
		return try, &failure{stage: delivery.StagePolicy, class: barred, refusal: t.decision.Refused}
	}
	s, f := d.open(ctx, to, t)
	if f == nil {
		s.client.quit()
	}
	try.Steps, try.TLS, try.Passed = s.steps, s.tls, f == nil
	return try, f
}
