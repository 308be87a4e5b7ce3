package outbound

import (
	"context"
	"slices"

	"postern/domain/delivery"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// askPolicy finds out what the recipient domain demands by MTA-STS, once in an attempt
// and only where a hop is one that its policy is about (B31, B60).
func (a *attempt) askPolicy(ctx context.Context, tiers [][]hop) {
	if a.Policies == nil || a.to.domain == "" || !a.snapshot.Settings.MTASTS.Enabled {
		return
	}
	if slices.ContainsFunc(slices.Concat(tiers...), a.hasPolicy) {
		a.sts = a.Policies.Look(ctx, a.to.domain)
	}
}

// hasPolicy reports whether what the recipient domain publishes is about the hop: MX
// records name it, or a route that says so (B31).
func (a *attempt) hasPolicy(h hop) bool {
	route := a.snapshot.Route(a.to.domain)
	return !h.discard && (h.byMX || route == nil || route.PolicyDomain)
}

// addPolicy puts what the policy says of a host into the inputs of its decision.
//
// RFC 8461 §4.1: the MX host itself is held against the policy, whatever a CNAME of it
// leads to.
func (a *attempt) addPolicy(in *policy.OutboundInputs, h hop) {
	if in.Routed {
		return
	}
	in.MTASTS = a.sts.State(h.host)
	in.SecureMX = in.SecureMX || a.sts.VouchesFor(h.host) // B56
}

// published is the evidence for a decision, with the policy that was in force or why
// there was none.
func (a *attempt) published(in *policy.OutboundInputs) *delivery.Published {
	p := delivery.PublishedIn(in)
	evidence := a.stsEvidence()
	if in.Routed || evidence == nil {
		return p
	}
	if p == nil {
		p = new(delivery.Published)
	}
	p.MTASTSPolicy = &delivery.MTASTSEvidence{Problem: string(evidence.Problem.Result), Detail: evidence.Problem.Detail}
	if evidence.Applies {
		p.MTASTSPolicy.ID, p.MTASTSPolicy.Mode = evidence.RecordID, string(evidence.Policy.Mode)
		p.MTASTSPolicy.FetchedAt, p.MTASTSPolicy.ExpiresAt = evidence.FetchedAt, evidence.ExpiresAt
		p.MTASTSPolicy.Pinned = evidence.Pinned != nil
	}
	return p
}

// stsEvidence is what there is to show of MTA-STS; nil where the domain has nothing to
// do with it.
func (a *attempt) stsEvidence() *mtasts.Finding {
	if a.sts.Text == "" && (a.sts.Problem == mtasts.Problem{} || a.sts.Problem.Detail == mtasts.ErrNoRecord.Error()) {
		return nil
	}
	return &a.sts
}
