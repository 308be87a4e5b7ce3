package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// PTRResult is the answer to a reverse look-up.
type PTRResult struct {
	Answer
	// Names are what the owner of the address claims; see
	// [Resolver.ConfirmedNames].
	Names []mailaddr.DomainName
}

// LookupPTR looks up the names of an address. Targets that are no host names are
// left out. The error is an [*Error].
func (r *Resolver) LookupPTR(ctx context.Context, addr netip.Addr) (PTRResult, error) {
	reverse, err := mdns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return PTRResult{}, question{qtype: mdns.TypePTR}.failure(Failed, fmt.Errorf("%v is no address: %w", addr, err))
	}
	found, err := r.lookUp(ctx, questionOf(reverse, mdns.TypePTR))
	if err != nil {
		return PTRResult{}, err
	}
	result := PTRResult{Answer: found.Answer}
	for _, rr := range found.rrs {
		ptr, ok := rr.(*mdns.PTR)
		if !ok {
			continue
		}
		if name, err := mailaddr.ParseDomainName(ptr.Ptr); err == nil {
			result.Names = append(result.Names, name)
		}
	}
	return result, nil
}

// maxConfirmed bounds how many names of an address are looked up: its owner may
// list any number.
const maxConfirmed = 10

// ConfirmedNames returns the forward-confirmed names of an address (B13): names
// of its PTR records that have this address in turn. At most the first ten are
// looked at. Where a look-up fails the names confirmed all the same are returned
// with the error. An address with names of which none leads back to it has an
// [*UnconfirmedError]; no names and no error means that it has no names at all.
func (r *Resolver) ConfirmedNames(ctx context.Context, addr netip.Addr) ([]mailaddr.DomainName, error) {
	addr = addr.Unmap().WithZone("")
	reverse, err := r.LookupPTR(ctx, addr)
	if err != nil {
		return nil, err
	}
	names := distinct(reverse.Names, maxConfirmed)
	confirmed := make([]bool, len(names))
	failures := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { confirmed[i], failures[i] = r.hasAddr(ctx, name, addr) })
	}
	wg.Wait()
	var result []mailaddr.DomainName
	for i, name := range names {
		if confirmed[i] {
			result = append(result, name)
		}
	}
	if err := errors.Join(failures...); err != nil || len(result) > 0 || len(names) == 0 {
		return result, err
	}
	return nil, &UnconfirmedError{Addr: addr, Names: names}
}

// UnconfirmedError says that an address has PTR records, and none of the names in
// them leads back to it: whoever wrote them could have claimed any name (B13).
type UnconfirmedError struct {
	Addr  netip.Addr
	Names []mailaddr.DomainName // those that were looked at
}

// Error names what was claimed.
func (e *UnconfirmedError) Error() string {
	claimed := make([]string, len(e.Names))
	for i, name := range e.Names {
		claimed[i] = name.String()
	}
	return fmt.Sprintf("none of the PTR names leads back to %s: %s", e.Addr, strings.Join(claimed, ", "))
}

// Temporary reports that trying later would not help: the look-ups were answered.
func (e *UnconfirmedError) Temporary() bool { return false }

// hasAddr reports whether a host has the address.
func (r *Resolver) hasAddr(ctx context.Context, host mailaddr.DomainName, addr netip.Addr) (bool, error) {
	qtype := mdns.TypeAAAA
	if addr.Is4() {
		qtype = mdns.TypeA
	}
	family := r.lookUpFamily(ctx, host, qtype)
	return slices.Contains(family.Addrs, addr), family.Err
}

// distinct returns the first names, at most limit, each once.
func distinct(names []mailaddr.DomainName, limit int) []mailaddr.DomainName {
	var result []mailaddr.DomainName
	for _, name := range names {
		if len(result) == limit {
			break
		}
		if !slices.Contains(result, name) {
			result = append(result, name)
		}
	}
	return result
}
