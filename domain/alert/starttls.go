package alert

import (
	"fmt"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/tlsreport"
)

const (
	// maxHosts bounds the hosts that are remembered of one destination.
	maxHosts = 50
	// dropForgotten is after how long a host that dropped STARTTLS, and was not
	// met since, no longer keeps the alert open when others are under TLS.
	dropForgotten = 24 * time.Hour
)

// Partner is what is remembered of TLS with one destination, to notice the host
// that offered STARTTLS until now and does no more. That is what a downgrade
// attack looks like, and what opportunistic TLS hides: the mail goes out all the
// same.
//
// The zero value remembers nothing: what never was under TLS drops nothing.
type Partner struct {
	encrypted delivery.LastTLS // the newest connection under TLS
	newest    delivery.TLSResult
	hosts     map[string]partnerHost
}

// partnerHost is what became of TLS on the newest connection with a host.
type partnerHost struct {
	result delivery.TLSResult
	// dropped is when the host was met last since it dropped STARTTLS; zero where
	// it did not.
	dropped time.Time
}

// Recall returns what is known of a partner of which only the newest connection
// is.
func Recall(last delivery.LastTLS) Partner {
	p := Partner{newest: last.Result}
	p.set(last.Host, partnerHost{result: last.Result})
	if last.Result == delivery.TLSSuccess {
		p.encrypted = last
	}
	return p
}

// Meet takes in a connection with the destination. It returns what that says of
// an alert, and false where it says nothing: a host that goes on in clear is told
// of once, and one that we do not ask for TLS, or that does not get the mail for
// want of it, drops nothing.
func (p *Partner) Meet(c tlsreport.Connection, now time.Time) (Finding, bool) {
	switch {
	case c.Result == delivery.TLSSuccess:
		return p.meetEncrypted(c, now)
	case c.Result != delivery.TLSClear:
		return Finding{}, false
	case c.Requirement == tlsreport.NoTLS:
		return p.meetUnasked(c, now)
	}
	return p.meetClear(c, now)
}

func (p *Partner) meetEncrypted(c tlsreport.Connection, now time.Time) (Finding, bool) {
	p.encrypted = delivery.LastTLS{At: now, Host: c.Host, Result: c.Result, TLS: c.TLS}
	p.newest = c.Result
	p.set(c.Host, partnerHost{result: c.Result})
	return p.end(c, fmt.Sprintf("TLS is back: %s with %s", c.TLS.Version, c.Host), now)
}

// meetUnasked is the change of a rule: in clear is what the mail is to be now.
func (p *Partner) meetUnasked(c tlsreport.Connection, now time.Time) (Finding, bool) {
	if host, known := p.hosts[c.Host]; known {
		host.dropped = time.Time{}
		p.set(c.Host, host)
	}
	return p.end(c, "TLS is not asked for any more", now)
}

// end ends the alert when no host is left that dropped STARTTLS.
func (p *Partner) end(c tlsreport.Connection, reason string, now time.Time) (Finding, bool) {
	for _, h := range p.hosts {
		if !h.dropped.IsZero() && now.Sub(h.dropped) < dropForgotten {
			return Finding{}, false
		}
	}
	return Finding{Key: keyOf(STARTTLSDropped, c.Domain), Reason: reason}, true
}

// meetClear begins the alert where the host was under TLS before. A host that was
// never met is held against the destination's newest connection.
func (p *Partner) meetClear(c tlsreport.Connection, now time.Time) (Finding, bool) {
	host, known := p.hosts[c.Host]
	before := host.result
	if !known {
		before = p.newest
	}
	drops := before == delivery.TLSSuccess
	host.result, p.newest = c.Result, c.Result
	if drops || !host.dropped.IsZero() {
		host.dropped = now
	}
	p.set(c.Host, host)
	if !drops {
		return Finding{}, false
	}
	return Finding{Key: keyOf(STARTTLSDropped, c.Domain), Event: &Event{
		Kind: STARTTLSDropped, About: c.Domain, Severity: policy.SeverityWarning, Once: true, Detail: p.dropDetail(c),
	}}, true
}

func (p *Partner) dropDetail(c tlsreport.Connection) string {
	return fmt.Sprintf("Mail for %s goes in clear to host %s, without STARTTLS.\nLast connection under TLS: %s with host %s (%s)",
		c.Domain, c.Host, stamp(p.encrypted.At), p.encrypted.Host, p.encrypted.TLS.Version)
}

// set remembers a host, in the place of another one where there are too many.
func (p *Partner) set(name string, h partnerHost) {
	if p.hosts == nil {
		p.hosts = map[string]partnerHost{}
	}
	if _, known := p.hosts[name]; !known && len(p.hosts) >= maxHosts {
		for other := range p.hosts {
			delete(p.hosts, other)
			break
		}
	}
	p.hosts[name] = h
}
