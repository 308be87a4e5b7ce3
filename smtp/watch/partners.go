package watch

import (
	"sync"
	"time"

	"postern/domain/alert"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

// MaxPartners bounds the destinations that [Partners] remembers.
const MaxPartners = 20_000

// Partners notices destinations that offered STARTTLS until now and do no more.
type Partners struct {
	find func(alert.Finding)
	now  func() time.Time

	mu    sync.Mutex
	known map[mailaddr.DomainName]*alert.Partner
}

// NewPartners returns what hands its findings to find, which must hold nobody up.
// last is what the store remembers of destinations.
func NewPartners(last map[mailaddr.DomainName]delivery.LastTLS, find func(alert.Finding), now func() time.Time) *Partners {
	p := &Partners{find: find, now: now, known: make(map[mailaddr.DomainName]*alert.Partner, len(last))}
	for domain, connection := range last {
		p.known[domain] = new(alert.Recall(connection))
	}
	return p
}

// CountConnection takes note of an outgoing connection. It waits for nobody.
func (p *Partners) CountConnection(c tlsreport.Connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if finding, ok := p.partner(mailaddr.DomainName(c.Domain)).Meet(c, p.now()); ok {
		p.find(finding) // under the lock: what is found last counts last
	}
}

// partner returns what is known of a destination, and forgets another one where
// that is too much.
func (p *Partners) partner(domain mailaddr.DomainName) *alert.Partner {
	if known, ok := p.known[domain]; ok {
		return known
	}
	if len(p.known) >= MaxPartners {
		for other := range p.known {
			delete(p.known, other)
			break
		}
	}
	known := new(alert.Partner)
	p.known[domain] = known
	return known
}
