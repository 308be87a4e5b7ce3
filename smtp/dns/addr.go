package dns

import (
	"context"
	"net/netip"
	"sync"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// AddrResult is the answer to an address look-up, by family: one may be secure
// or fail where the other is not or does not (RFC 7672 §2.2.2).
type AddrResult struct {
	IPv4, IPv6 Family
}

// Family are the addresses of one family. Its class may be a failure, of which
// Err is the cause, an [*Error].
type Family struct {
	Answer
	Addrs []netip.Addr
	Err   error
}

// Addrs returns the addresses of both families, IPv6 first.
func (a AddrResult) Addrs() []netip.Addr {
	return append(append([]netip.Addr(nil), a.IPv6.Addrs...), a.IPv4.Addrs...)
}

// LookupAddrs looks up the addresses of a host, both families at once. It fails
// only where no address is known and a family failed: with one address the host
// can be tried. The error is an [*Error].
func (r *Resolver) LookupAddrs(ctx context.Context, host mailaddr.DomainName) (AddrResult, error) {
	var result AddrResult
	var wg sync.WaitGroup
	wg.Go(func() { result.IPv6 = r.lookUpFamily(ctx, host, mdns.TypeAAAA) })
	wg.Go(func() { result.IPv4 = r.lookUpFamily(ctx, host, mdns.TypeA) })
	wg.Wait()
	if len(result.IPv4.Addrs)+len(result.IPv6.Addrs) > 0 {
		return result, nil
	}
	if result.IPv4.Err != nil {
		return result, result.IPv4.Err
	}
	return result, result.IPv6.Err
}

func (r *Resolver) lookUpFamily(ctx context.Context, host mailaddr.DomainName, qtype uint16) Family {
	found, err := r.lookUp(ctx, questionOf(string(host), qtype))
	if err != nil {
		return Family{Answer: Answer{Class: ClassOf(err)}, Err: err}
	}
	family := Family{Answer: found.Answer}
	for _, rr := range found.rrs {
		if addr, ok := addrOf(rr); ok {
			family.Addrs = append(family.Addrs, addr)
		}
	}
	return family
}

// addrOf returns the address of an A or AAAA record. An IPv4 address within an
// AAAA record comes out as what a connection to it would be.
func addrOf(rr mdns.RR) (netip.Addr, bool) {
	var addr netip.Addr
	var ok bool
	switch record := rr.(type) {
	case *mdns.A:
		addr, ok = netip.AddrFromSlice(record.A)
	case *mdns.AAAA:
		addr, ok = netip.AddrFromSlice(record.AAAA)
	}
	return addr.Unmap(), ok
}
