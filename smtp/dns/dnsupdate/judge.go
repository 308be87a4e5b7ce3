package dnsupdate

import (
	"fmt"

	mdns "github.com/miekg/dns"

	"postern/domain"
)

// judge says what the answer to an update means, in words for an administrator.
func (c *Client) judge(answer *mdns.Msg, err error) error {
	if answer == nil {
		return unreachable(c.Server, err)
	}
	// RFC 8945 §5.3.2: an answer about the signature itself may come without one.
	if answer.Rcode == mdns.RcodeNotAuth {
		return c.refused(c.distrust(answer))
	}
	signed := answer.IsTsig()
	if err == nil && signed == nil {
		err = mdns.ErrNoSig
	}
	if err != nil {
		return c.refused("its answer is not signed by the key " + c.Key.String() + ": " + err.Error())
	}
	if answer.Rcode != mdns.RcodeSuccess {
		return c.refused(meaning(answer.Rcode))
	}
	return nil
}

func (c *Client) refused(why string) error {
	return domain.E(domain.Unavailable, "the DNS server %s does not take the update: %s", c.Server, why)
}

// distrust says what the server dislikes about our signature (RFC 8945 §5.2).
func (c *Client) distrust(answer *mdns.Msg) string {
	t := answer.IsTsig()
	if t == nil {
		return "NOTAUTH, it is not the primary server of the zone"
	}
	switch t.Error {
	case mdns.RcodeBadKey:
		return fmt.Sprintf("BADKEY, it does not know the key %s for %s", c.Key.Name, c.Key.Algorithm)
	case mdns.RcodeBadSig:
		return fmt.Sprintf("BADSIG, the secret of the key %s is another one there", c.Key.Name)
	case mdns.RcodeBadTime:
		return "BADTIME, its clock and ours differ by more than five minutes"
	}
	return "NOTAUTH, it is not the primary server of the zone"
}

func meaning(rcode int) string {
	name := mdns.RcodeToString[rcode]
	switch rcode {
	case mdns.RcodeRefused:
		return name + ", its rules do not let the key change this name"
	case mdns.RcodeNotZone:
		return name + ", the name is not in the zone"
	case mdns.RcodeNotImplemented:
		return name + ", it has no dynamic update"
	}
	if name == "" {
		return fmt.Sprintf("code %d", rcode)
	}
	return name
}
