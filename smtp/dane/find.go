package dane

import (
	"context"
	"fmt"

	"postern/domain/mailaddr"
	"postern/smtp/dns"
)

// State is what DNS says of a host.
type State uint8

// The states. The zero value is what nobody looked up: the host must wait.
const (
	Failed   State = iota // not known: bogus, timed out, or no word from a validating resolver
	Absent                // unsigned, or denied under signature
	Unusable              // records, but none to go by
	Usable                // a record authenticates
)

// Resolver asks DNS; [dns.Resolver] does.
type Resolver interface {
	LookupTLSA(ctx context.Context, port uint16, host mailaddr.DomainName) (dns.TLSAResult, error)
	LookupCNAME(ctx context.Context, name mailaddr.DomainName) (dns.Answer, error)
}

var _ Resolver = (*dns.Resolver)(nil)

// Finding is what DNS says of a host.
type Finding struct {
	State State
	// Base is the name that the records are published for, where there are any
	// (RFC 7672 §2.2.3): the host, or what it is an alias of.
	Base mailaddr.DomainName
	// Records are the usable ones; All is all there are.
	Records []Record
	All     []dns.TLSA
	// Detail explains Failed and Absent; it may hold foreign text.
	Detail string
}

// Find looks up the TLSA records of a TCP port of a host whose addresses are
// known.
func Find(ctx context.Context, r Resolver, port uint16, host mailaddr.DomainName, addrs dns.AddrResult) Finding {
	bases, stop := basesOf(ctx, r, host, addrs)
	if stop != nil {
		return *stop
	}
	for _, base := range bases {
		found, ok := findAt(ctx, r, port, base)
		if ok {
			return found
		}
	}
	return Finding{State: Absent, Detail: "the host has no TLSA records"}
}

// basesOf returns the names under which TLSA records are looked for, in order, or
// the end of the search.
func basesOf(ctx context.Context, r Resolver, host mailaddr.DomainName, addrs dns.AddrResult) ([]mailaddr.DomainName, *Finding) {
	for _, family := range []dns.Family{addrs.IPv6, addrs.IPv4} {
		if family.Class != dns.Secure { // Either family is enough (RFC 7672 §2.2.2).
			continue
		}
		if family.Canonical == host || family.Canonical == "" {
			return []mailaddr.DomainName{host}, nil
		}
		// RFC 7672 §2.2.3: an alias all of whose steps are signed leads to the
		// records of its target first, then to those of its own.
		return []mailaddr.DomainName{family.Canonical, host}, nil
	}
	for _, family := range []dns.Family{addrs.IPv6, addrs.IPv4} {
		if family.Class == dns.Insecure && !family.Checked {
			return nil, &Finding{Detail: "no validating resolver answered for the addresses of " + string(host)}
		}
	}
	return unsignedBases(ctx, r, host, addrs)
}

// unsignedBases is for a host whose addresses are not signed. RFC 7672 §2.2.2:
// there TLSA records are not even asked for, since broken name servers fail at
// such questions; unless the host itself is a signed alias that leads out of the
// signed zones.
func unsignedBases(ctx context.Context, r Resolver, host mailaddr.DomainName, addrs dns.AddrResult) ([]mailaddr.DomainName, *Finding) {
	unsigned := &Finding{State: Absent, Detail: "the addresses of " + string(host) + " are not signed"}
	if !isAlias(addrs.IPv4, host) && !isAlias(addrs.IPv6, host) {
		return nil, unsigned
	}
	alias, err := r.LookupCNAME(ctx, host)
	switch {
	case err != nil:
		return nil, &Finding{Detail: err.Error()}
	case !alias.Checked:
		return nil, &Finding{Detail: "no validating resolver answered for the alias " + string(host)}
	case alias.Class != dns.Secure:
		return nil, unsigned
	}
	return []mailaddr.DomainName{host}, nil
}

func isAlias(f dns.Family, host mailaddr.DomainName) bool {
	return f.Class.Found() && f.Canonical != host
}

// findAt looks for records under one name; false where there are none.
func findAt(ctx context.Context, r Resolver, port uint16, base mailaddr.DomainName) (Finding, bool) {
	answer, err := r.LookupTLSA(ctx, port, base)
	switch {
	// RFC 7672 §2.1.2: a failure is no denial.
	case err != nil:
		return Finding{Detail: err.Error()}, true
	case !answer.Checked:
		return Finding{Detail: fmt.Sprintf("no validating resolver answered for the TLSA records of %s", base)}, true
	// RFC 7672 §2.2: a denial, or records that nobody signed, are none.
	case !answer.Class.Found() || !answer.Authenticated:
		return Finding{}, false
	}
	found := Finding{State: Usable, Base: base, All: answer.Records, Records: UsableOf(answer.Records)}
	if len(found.Records) == 0 {
		found.State = Unusable
	}
	return found, true
}
