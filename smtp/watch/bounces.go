package watch

import (
	"postern/domain/delivery"
	"postern/domain/eventlog"
	"postern/smtp/queue"
)

// Log takes in events. It never waits.
type Log interface {
	Append(e eventlog.Event)
}

// Bounces writes an event for each message of which recipients are given up.
type Bounces struct{ log Log }

var _ queue.Observer = (*Bounces)(nil)

// NewBounces returns an observer of settlements that writes to the log.
func NewBounces(log Log) *Bounces { return &Bounces{log} }

// Settled writes the event of a settlement that gives recipients up. It names their
// domains and not their addresses.
func (b *Bounces) Settled(m *delivery.Message, s *delivery.Settlement) {
	var first *delivery.Outcome
	domains, count := map[string]int{}, 0
	for i, p := range s.Progress {
		if p.State != delivery.RecipientBounced || p.Recipient >= len(m.Recipients) {
			continue
		}
		if first == nil {
			first = &s.Progress[i].Last
		}
		count++
		domains[delivery.Destination(m.Recipients[p.Recipient].Address).String()]++
	}
	if first == nil {
		return
	}
	b.log.Append(eventlog.New(eventlog.MessageBounced, eventlog.Subject{Kind: "message", Key: m.ID.String()}, s.At, map[string]any{
		"recipients": count, "domains": some(domains), "code": first.Code, "enhanced": first.Enhanced,
	}))
}

// maxDomains bounds the domains that an event names.
const maxDomains = 20

// some returns the counts of some of the domains.
func some(domains map[string]int) map[string]int {
	list := map[string]int{}
	for name, n := range domains {
		if len(list) == maxDomains {
			break
		}
		list[name] = n
	}
	return list
}
