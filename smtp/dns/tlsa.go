package dns

import (
	"context"
	"encoding/hex"
	"strconv"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// TLSAResult is the answer to a TLSA look-up. Without Authenticated it is of no
// use for DANE (RFC 7672 §2.1.1).
type TLSAResult struct {
	Answer
	Records []TLSA
}

// TLSA is one TLSA record (RFC 6698 §2.1), of any values.
type TLSA struct {
	Usage        uint8
	Selector     uint8
	MatchingType uint8
	Data         []byte
}

// LookupTLSA looks up the TLSA records of a TCP port of a host (RFC 7672 §2.2.2
// has 25 for MX hosts). The error is an [*Error].
func (r *Resolver) LookupTLSA(ctx context.Context, port uint16, host mailaddr.DomainName) (TLSAResult, error) {
	name := "_" + strconv.Itoa(int(port)) + "._tcp." + string(host)
	found, err := r.lookUp(ctx, questionOf(name, mdns.TypeTLSA))
	if err != nil {
		return TLSAResult{}, err
	}
	result := TLSAResult{Answer: found.Answer}
	for _, rr := range found.rrs {
		tlsa, ok := rr.(*mdns.TLSA)
		if !ok {
			continue
		}
		data, err := hex.DecodeString(tlsa.Certificate)
		if err != nil {
			return TLSAResult{}, questionOf(name, mdns.TypeTLSA).failure(Failed, err)
		}
		result.Records = append(result.Records, TLSA{
			Usage: tlsa.Usage, Selector: tlsa.Selector, MatchingType: tlsa.MatchingType, Data: data,
		})
	}
	return result, nil
}
