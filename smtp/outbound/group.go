package outbound

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
)

// Group splits the recipients at the given positions of m.Recipients into those
// that one attempt may serve together: with the same next hops and the same
// effective requirement (B29). Next hops by MX are the same for one domain only;
// those of a route may be shared by many.
func (d *Deliverer) Group(m *delivery.Message, recipients []int) [][]int {
	return grouping{d.Snapshot(), d.Now()}.of(m, recipients)
}

// grouping is what groups depend on: a configuration, and the time, by which
// entries of it expire.
type grouping struct {
	snapshot *config.Snapshot
	at       time.Time
}

// of returns the groups, in the order of their first recipients.
func (g grouping) of(m *delivery.Message, recipients []int) [][]int {
	var groups [][]int
	known := map[terminus]int{} // the group of one
	byKey := map[string]int{}
	for _, i := range recipients {
		to := terminusOf(m, i)
		group, seen := known[to]
		if !seen {
			key := g.key(to)
			if group, seen = byKey[key]; !seen {
				group = len(groups)
				groups = append(groups, nil)
				byKey[key] = group
			}
			known[to] = group
		}
		groups[group] = append(groups[group], i)
	}
	return groups
}

// first splits recipients into the group of the first of them, and the others.
func (g grouping) first(m *delivery.Message, recipients []int) (group, others []int) {
	if len(recipients) < 2 {
		return recipients, nil
	}
	group = g.of(m, recipients)[0]
	for _, i := range recipients {
		if !slices.Contains(group, i) {
			others = append(others, i)
		}
	}
	return group, others
}

// terminus is where a recipient's mail goes, and whether under REQUIRETLS (B55).
type terminus struct {
	destination
	requireTLS bool
}

func terminusOf(m *delivery.Message, recipient int) terminus {
	return terminus{destinationOf(m.Recipients[recipient].Address), m.RequiresTLS(recipient)}
}

// key is equal for destinations that share next hops and requirement.
func (g grouping) key(to terminus) string {
	var route *policy.Route
	if to.domain != "" {
		route = g.snapshot.Route(to.domain)
	}
	if route == nil {
		return fmt.Sprintf("to %s %s requiretls=%t", to.domain, to.literal, to.requireTLS)
	}
	var key strings.Builder
	fmt.Fprintf(&key, "by %s", route.Pattern)
	if route.PolicyDomain && g.snapshot.Settings.MTASTS.Enabled { // B60: what one domain demands is about no other.
		fmt.Fprintf(&key, " for %s", to.domain)
	}
	for _, next := range route.NextHops {
		if next.UseDNS { // B31: the MX hosts are the domain's own.
			fmt.Fprintf(&key, "; MX of %s requiretls=%t", to.domain, to.requireTLS)
		}
		for _, tier := range hopsOf(g.snapshot, next) {
			for _, h := range tier {
				key.WriteString("; " + g.hopKey(to, h))
			}
		}
	}
	return key.String()
}

// hopKey is equal for domains whose mail asks the same of a hop, whichever of
// its addresses it goes to.
func (g grouping) hopKey(to terminus, h hop) string {
	in := inputsFor(g.snapshot, to.domain, h, h.addr, g.at)
	in.RequireTLS = to.requireTLS
	t := terms{decision: policy.Effective(in)}
	t.rung.level = t.decision.Level
	// The limits of the destination hold for the connection too (B21).
	return fmt.Sprintf("%s scope=%s %s connections=%d messages=%d recipients=%s per=%s", t.decision.Key(), t.scope(),
		reserve(in), in.Control.MaxConnections, in.Control.MessagesPerConnection, in.Control.RecipientRate, in.Control.LimitPer)
}

// reserve is what a domain's own entries have in reserve until an address is
// known, on which the STARTTLS lists may have an entry, and what DNS says of it.
// Domains that ask the same until then part there, where they differ in it.
func reserve(in policy.OutboundInputs) string {
	return fmt.Sprintf("at_once=%t dane=%s lifted=%t", in.Control.BounceAtOnce, in.Control.DANE,
		in.RemoteOverride != "" || in.Exemption != nil && in.Exemption.OverrideRemotePolicy)
}
