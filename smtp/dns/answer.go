package dns

import (
	"errors"
	"fmt"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// Answer is what every result has.
type Answer struct {
	// Class is Insecure, Secure, NoData or NoName.
	Class Class
	// Authenticated says that a trusted resolver validated the answer. For Secure
	// it is always so; NoData and NoName are a proven denial with it.
	Authenticated bool
	// Checked says that the answer came from a resolver whose AD bit counts, so
	// that one without it is insecure for sure (RFC 4035 §4.3). Without Checked
	// that is not known: a server stood in that vouches for nothing.
	Checked bool
	// Canonical is the name that the records belong to, at the end of the chain of
	// CNAMEs; the name that was asked for where there are none. Empty where it is
	// no host name.
	Canonical mailaddr.DomainName
}

// Limits of what an answer is kept for.
const (
	maxTTL         = time.Hour
	maxNegativeTTL = 15 * time.Minute
	// failureTTL holds for failures, and for denials that name no time.
	failureTTL = 30 * time.Second
)

// maxAliases bounds the chain of CNAMEs.
const maxAliases = 10

// records is an answer as it is cached.
type records struct {
	Answer
	rrs    []mdns.RR // of the type asked for, all with the canonical name
	ttl    time.Duration
	octets int // of the message
}

// readAnswer makes records of a message that answers q. Where it fails it returns
// the class of the failure.
func readAnswer(m *mdns.Msg, q question, trusted bool) (records, Class, error) {
	switch m.Rcode {
	case mdns.RcodeSuccess, mdns.RcodeNameError:
	case mdns.RcodeServerFailure:
		return records{}, Bogus, errors.New("answers SERVFAIL")
	default:
		return records{}, Failed, fmt.Errorf("answers %s", mdns.RcodeToString[m.Rcode])
	}
	// A referral is no denial: from a server that does not recurse it would look
	// like one.
	if !m.RecursionAvailable && !m.Authoritative {
		return records{}, Failed, errors.New("does not offer recursion")
	}
	name, rrs, ttl, err := follow(m.Answer, q)
	if err != nil {
		return records{}, Failed, err
	}
	if m.Rcode == mdns.RcodeNameError {
		rrs = nil // A name that does not exist has no records.
	}
	found := records{rrs: rrs, ttl: min(ttl, maxTTL), octets: m.Len()}
	found.Checked = trusted
	found.Authenticated = m.AuthenticatedData && trusted
	found.Canonical, _ = mailaddr.ParseDomainName(name)
	found.Class = classOf(m.Rcode, len(rrs), found.Authenticated)
	if !found.Class.Found() {
		found.ttl = min(ttl, negativeTTL(m.Ns))
	}
	return found, found.Class, nil
}

func classOf(rcode, count int, authenticated bool) Class {
	switch {
	case rcode == mdns.RcodeNameError:
		return NoName
	case count == 0:
		return NoData
	case authenticated:
		return Secure
	default:
		return Insecure
	}
}

// follow walks the CNAMEs from the name asked for, and returns the name at the
// end, its records of the type asked for, and the least TTL on the way.
func follow(section []mdns.RR, q question) (name string, rrs []mdns.RR, ttl time.Duration, err error) {
	name, ttl = q.name, maxTTL
	for range maxAliases {
		rrs = named(section, name, q.qtype)
		ttl = min(ttl, leastTTL(rrs))
		aliases := named(section, name, mdns.TypeCNAME)
		if len(rrs) > 0 || len(aliases) == 0 {
			return name, rrs, ttl, nil
		}
		ttl = min(ttl, leastTTL(aliases))
		alias, _ := aliases[0].(*mdns.CNAME)
		name = mdns.CanonicalName(alias.Target)
	}
	return "", nil, 0, errors.New("answers with too long a chain of CNAMEs")
}

// named returns the records of a name and type.
func named(section []mdns.RR, name string, rrtype uint16) []mdns.RR {
	var rrs []mdns.RR
	for _, rr := range section {
		h := rr.Header()
		if h.Rrtype == rrtype && h.Class == mdns.ClassINET && strings.EqualFold(h.Name, name) {
			rrs = append(rrs, rr)
		}
	}
	return rrs
}

func leastTTL(rrs []mdns.RR) time.Duration {
	ttl := maxTTL
	for _, rr := range rrs {
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
	}
	return ttl
}

// negativeTTL returns how long a denial holds: what the SOA record says (RFC 2308
// §5).
func negativeTTL(authority []mdns.RR) time.Duration {
	for _, rr := range authority {
		if soa, ok := rr.(*mdns.SOA); ok {
			return min(maxNegativeTTL, time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second)
		}
	}
	return failureTTL
}
