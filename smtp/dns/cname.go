package dns

import (
	"context"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// LookupCNAME asks for the alias at a name itself, and does not follow it. An
// address answer whose chain of aliases leads out of the signed zones is insecure
// as a whole; whether the first alias is signed, so that the name may have TLSA
// records of its own, takes this question (RFC 7672 §2.2.2). Canonical is the
// name asked for. The error is an [*Error].
func (r *Resolver) LookupCNAME(ctx context.Context, name mailaddr.DomainName) (Answer, error) {
	found, err := r.lookUp(ctx, questionOf(string(name), mdns.TypeCNAME))
	return found.Answer, err
}
