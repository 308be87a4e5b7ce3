package dns

import (
	"context"
	"strings"

	mdns "github.com/miekg/dns"

	"postern/domain/mailaddr"
)

// TXTResult is the answer to a TXT look-up.
type TXTResult struct {
	Answer
	// Texts has one text a record, its strings joined without anything between
	// (RFC 8461 §3.1, RFC 8460 §3). The octets are any.
	Texts []string
}

// LookupTXT looks up the TXT records of a name. The error is an [*Error].
func (r *Resolver) LookupTXT(ctx context.Context, name mailaddr.DomainName) (TXTResult, error) {
	found, err := r.lookUp(ctx, questionOf(string(name), mdns.TypeTXT))
	if err != nil {
		return TXTResult{}, err
	}
	result := TXTResult{Answer: found.Answer}
	for _, rr := range found.rrs {
		if txt, ok := rr.(*mdns.TXT); ok {
			result.Texts = append(result.Texts, unescape(strings.Join(txt.Txt, "")))
		}
	}
	return result, nil
}

// unescape turns the text form of the library, in which \DDD and \x stand for
// octets (RFC 1035 §5.1), into the octets.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	octets := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			octets = append(octets, text[i])
		case i+3 < len(text) && isDigit(text[i+1]) && isDigit(text[i+2]) && isDigit(text[i+3]):
			octets = append(octets, (text[i+1]-'0')*100+(text[i+2]-'0')*10+text[i+3]-'0')
			i += 3
		case i+1 < len(text):
			octets = append(octets, text[i+1])
			i++
		}
	}
	return string(octets)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
