package outbound

import (
	"context"
	"errors"
	"fmt"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// ProveHost connects to a host, at every address it has, as a sender would that obeys
// an MTA-STS policy (RFC 8461 §4.2): STARTTLS, and a certificate for the very host. The
// error says why such a sender could not deliver. Whatever the configuration says of
// TLS to others has no part in it.
func (v *Verifier) ProveHost(ctx context.Context, host mailaddr.DomainName) error {
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	default:
		return domain.E(domain.Exhausted, "%d live tests are under way: try again when one is over", maxTests)
	}
	a := v.deliverer.rehearse(v.deliverer.Snapshot(), new(delivery.Message), terminus{})
	targets, f := a.resolve(ctx, hop{host: host, port: policy.DefaultSMTPPort})
	if f != nil {
		return fmt.Errorf("%s: %s", host, f.detail)
	}
	var failures []error
	for _, to := range targets {
		t := a.terms(to)
		t.decision = policy.Decision{Level: policy.TLSRequired, MinVersion: t.decision.MinVersion, Checks: []policy.Check{policy.CheckMXHost}}
		t.rung = firstRung(t.decision, false)
		if f := a.testLadder(ctx, to, t, new(probe.Tested)); f != nil {
			failures = append(failures, fmt.Errorf("%s at %s: %s", host, to.addr, f.detail))
		}
	}
	return errors.Join(failures...)
}
