package dns

import (
	"cmp"
	"context"
	"slices"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// MXResult is the answer to an MX look-up.
type MXResult struct {
	Answer
	// Hosts are the mail exchangers, the best preference first. They may be none
	// although Class.Found: for a null MX, and where every record was dropped.
	// There is no implicit MX then.
	Hosts []MX
	// Null says that the domain takes no mail (RFC 7505).
	Null bool
	// Dropped are targets that are no host name, such as an address, in the text
	// form of DNS: printable ASCII.
	Dropped []string
}

// MX is one mail exchanger.
type MX struct {
	Preference uint16 // the least is the best
	Host       mailaddr.DomainName
}

// LookupMX looks up the mail exchangers of a domain. NoData and NoName come as
// answers: whether there is an implicit MX is for the caller to decide. The error
// is an [*Error].
func (r *Resolver) LookupMX(ctx context.Context, name mailaddr.DomainName) (MXResult, error) {
	found, err := r.lookUp(ctx, questionOf(string(name), mdns.TypeMX))
	if err != nil {
		return MXResult{}, err
	}
	result := MXResult{Answer: found.Answer}
	for _, rr := range found.rrs {
		if mx, ok := rr.(*mdns.MX); ok {
			result.add(mx)
		}
	}
	// RFC 7505 §3: a null MX stands alone. Beside others it is one more target
	// that is no host name.
	result.Null = len(found.rrs) == 1 && len(result.Dropped) == 1 && result.Dropped[0] == "."
	if result.Null {
		result.Dropped = nil
	}
	slices.SortStableFunc(result.Hosts, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return result, nil
}

func (m *MXResult) add(mx *mdns.MX) {
	host, err := mailaddr.ParseDomainName(mx.Mx)
	if err != nil {
		m.Dropped = append(m.Dropped, mx.Mx)
		return
	}
	m.Hosts = append(m.Hosts, MX{Preference: mx.Preference, Host: host})
}
