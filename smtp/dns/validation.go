package dns

import (
	"context"
	"fmt"

	mdns "github.com/miekg/dns"
)

// Verdict is whether the resolvers that are believed do validate.
type Verdict uint8

// The verdicts.
const (
	// Unproven: it could not be found out.
	Unproven Verdict = iota
	// Validates: a signed name is vouched for, and a bogus one is refused.
	Validates
	// NotValidating: a resolver does not vouch for a signed name, or answers for a
	// bogus one, or there is none whose word would count.
	NotValidating
)

var verdictNames = [...]string{"unproven", "validating", "not validating"}

// String returns the verdict in words.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// Touchstones are the names by which a resolver shows whether it validates.
type Touchstones struct {
	// Signed is a name in a zone that is signed up to the root.
	Signed string
	// Bogus is a name with an A record whose signatures are broken on purpose.
	Bogus string
}

// DefaultTouchstones are the root of the DNS, which is signed and which every
// resolver has at hand; and a name that is kept broken for such tests.
func DefaultTouchstones() Touchstones { return Touchstones{Signed: ".", Bogus: "dnssec-failed.org"} }

// Finding is a verdict with the reason for it.
type Finding struct {
	Verdict Verdict
	Detail  string // in words; of the resolver that decided
}

// Examine finds out whether the resolvers that are believed do validate (B63). It
// asks each of them, past the cache, since any may give the next answer: one that
// does not validate decides, and then one of which it is not known.
func (r *Resolver) Examine(ctx context.Context, by Touchstones) Finding {
	if !r.Validating() {
		return Finding{NotValidating, "no resolver is on this machine or trusted, so that none can vouch for an answer"}
	}
	worst := Finding{Validates, fmt.Sprintf("%s is vouched for, and %s refused", by.Signed, by.Bogus)}
	for _, s := range r.servers {
		if !s.trusted {
			continue
		}
		switch found := r.examine(ctx, s, by); {
		case found.Verdict == NotValidating:
			return found
		case found.Verdict == Unproven:
			worst = found
		}
	}
	return worst
}

// examine asks one server. The AD bit alone proves nothing: a forwarder may pass
// on the one of a resolver far away, so that a bogus name must be refused too.
func (r *Resolver) examine(ctx context.Context, s server, by Touchstones) Finding {
	signed, err := r.askServer(ctx, s, questionOf(by.Signed, mdns.TypeSOA))
	switch {
	case err != nil:
		return Finding{Unproven, err.Error()}
	case !signed.Authenticated:
		return Finding{NotValidating, fmt.Sprintf("%s does not vouch for the signed name %s", s.address, by.Signed)}
	}
	bogus, err := r.askServer(ctx, s, questionOf(by.Bogus, mdns.TypeA))
	switch {
	case err != nil && err.Class == Bogus:
		return Finding{Verdict: Validates}
	case err != nil:
		return Finding{Unproven, err.Error()}
	case bogus.Class.Found():
		return Finding{NotValidating, fmt.Sprintf("%s answers for %s, which does not validate", s.address, by.Bogus)}
	}
	return Finding{Unproven, fmt.Sprintf("%s has no address for %s, which tells nothing", s.address, by.Bogus)}
}
