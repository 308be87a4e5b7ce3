package outbound

import (
	"fmt"
	"strings"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
)

// Group splits the recipients at the given positions of m.Recipients into those
// that one attempt may serve together: with the same next hops and the same
// effective requirement (B29). Next hops by MX are the same for one domain only;
// those of a route may be shared by many.
func (d *Deliverer) Group(m *delivery.Message, recipients []int) [][]int {
	snapshot := d.Snapshot()
	var groups [][]int
	known := map[terminus]int{} // the group of one
	byKey := map[string]int{}
	for _, i := range recipients {
		to := terminusOf(m, i)
		group, seen := known[to]
		if !seen {
			key := d.groupKey(snapshot, to.destination, to.requireTLS)
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

// terminus is where a recipient's mail goes, and whether under REQUIRETLS (B55).
type terminus struct {
	destination
	requireTLS bool
}

func terminusOf(m *delivery.Message, recipient int) terminus {
	return terminus{destinationOf(m.Recipients[recipient].Address), m.RequiresTLS(recipient)}
}

// groupKey is equal for destinations that share next hops and requirement.
func (d *Deliverer) groupKey(snapshot *config.Snapshot, to destination, requireTLS bool) string {
	var route *policy.Route
	if to.domain != "" {
		route = snapshot.Route(to.domain)
	}
	if route == nil {
		return fmt.Sprintf("to %s %s requiretls=%t", to.domain, to.literal, requireTLS)
	}
	var key strings.Builder
	fmt.Fprintf(&key, "by %s", route.Pattern)
	for _, next := range route.NextHops {
		h := hopOf(next)
		in := snapshot.OutboundInputs(to.domain, h.host, h.addr, d.Now())
		in.RequireTLS = requireTLS
		t := terms{decision: policy.Effective(in)}
		t.rung.level = t.decision.Level
		// The limits of the destination hold for the connection too (B21).
		fmt.Fprintf(&key, "; %s scope=%s at_once=%t connections=%d messages=%d", t.decision.Key(), t.scope(),
			t.decision.BounceAtOnce, in.Control.MaxConnections, in.Control.MessagesPerConnection)
	}
	return key.String()
}
