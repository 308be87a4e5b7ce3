package publish

import (
	"context"
	"fmt"
	"strings"

	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
	"postern/domain/publication"
	"postern/smtp/reply"
)

// maxShown bounds what is repeated of one answer.
const maxShown = 200

// Check is [publication.Publisher.Check].
func (p *Publisher) Check(ctx context.Context, name mailaddr.DomainName) ([]publication.Check, error) {
	records, err := p.Records(name)
	if err != nil {
		return nil, err
	}
	var checks []publication.Check
	for _, r := range records {
		c := publication.Check{Record: r}
		p.check(ctx, &c)
		checks = append(checks, c)
		if r.Purpose == publication.PurposeMTASTSHost {
			checks = append(checks, p.checkPolicy(ctx, name))
		}
	}
	return checks, nil
}

// check compares one record with what is published.
func (p *Publisher) check(ctx context.Context, c *publication.Check) {
	var err error
	c.State = publication.StateMissing
	switch c.Purpose {
	case publication.PurposeMX:
		err = p.checkMX(ctx, c)
	case publication.PurposeMTASTS:
		err = p.checkTXT(ctx, c, "v=STSv1", false)
	case publication.PurposeTLSRPT:
		err = p.checkTXT(ctx, c, "v=TLSRPTv1", true)
	case publication.PurposeMTASTSHost:
		err = p.checkHost(ctx, c)
	case publication.PurposeTLSA:
		err = p.checkTLSA(ctx, c)
	}
	switch {
	case err != nil:
		c.State, c.Detail = publication.StateUnknown, reply.Quote(err.Error(), maxShown)
	case c.State == publication.StateMissing:
		c.Detail = "nothing is published: add the record"
	case c.State == publication.StateDiffers && c.Detail == "":
		c.Detail = "another value is published"
	}
}

func (p *Publisher) checkMX(ctx context.Context, c *publication.Check) error {
	found, err := p.Resolver.LookupMX(ctx, c.Name)
	for _, mx := range found.Hosts {
		c.Published = append(c.Published, fmt.Sprintf("%d %s.", mx.Preference, mx.Host))
		c.State = publication.StateDiffers
	}
	for _, mx := range found.Hosts {
		if strings.HasSuffix(c.Value, " "+mx.Host.String()+".") {
			c.State = publication.StateGood
		}
	}
	return err
}

// checkTXT compares the records that begin with a version; where any will do, one of
// them is good.
func (p *Publisher) checkTXT(ctx context.Context, c *publication.Check, version string, anyWillDo bool) error {
	found, err := p.Resolver.LookupTXT(ctx, c.Name)
	for _, text := range found.Texts {
		if strings.HasPrefix(text, version) {
			c.Published = append(c.Published, reply.Quote(text, maxShown))
		}
	}
	wanted, wantedErr := mtasts.ParseRecord([]string{strings.Trim(c.Value, `"`)})
	id, idErr := mtasts.ParseRecord(found.Texts)
	switch {
	case len(c.Published) == 0:
	case len(c.Published) > 1:
		c.State, c.Detail = publication.StateDiffers, "there is more than one record, which counts as none"
	case anyWillDo, wantedErr == nil && idErr == nil && id == wanted:
		c.State = publication.StateGood
	default:
		c.State = publication.StateDiffers
	}
	return err
}

func (p *Publisher) checkHost(ctx context.Context, c *publication.Check) error {
	found, err := p.Resolver.LookupAddrs(ctx, c.Name)
	for _, addr := range found.Addrs() {
		c.Published = append(c.Published, addr.String())
		c.State = publication.StateGood
	}
	if fault := p.uncovered(p.Snapshot(), c.Name); err == nil && fault != "" {
		c.State, c.Detail = publication.StateDiffers, fault
	}
	return err
}

// uncovered says that the public web listener has no certificate for a host; it is
// empty where it has.
func (p *Publisher) uncovered(s *config.Snapshot, host mailaddr.DomainName) string {
	if shown, ok := p.Served(s.Settings.PublicWeb.CertificateID, host.String()); ok && covers(shown, host) {
		return ""
	}
	return "no certificate of this gateway covers the name: get one that does, as by an ACME alternative name"
}

// covers reports whether the certificate is for the name, or for all beside it.
func covers(c certificate.Certificate, name mailaddr.DomainName) bool {
	parent, _ := name.Parent()
	for _, n := range c.Names {
		if n == name.String() || n == "*."+parent.String() {
			return true
		}
	}
	return false
}

func (p *Publisher) checkTLSA(ctx context.Context, c *publication.Check) error {
	host := mailaddr.DomainName(strings.TrimPrefix(c.Name.String(), "_25._tcp."))
	found, err := p.Resolver.LookupTLSA(ctx, policy.DefaultSMTPPort, host)
	for _, r := range found.Records {
		text := describeTLSA(certificate.TLSA{Usage: r.Usage, Selector: r.Selector, MatchingType: r.MatchingType, Data: r.Data})
		c.Published = append(c.Published, text)
		if c.State != publication.StateGood {
			c.State = publication.StateDiffers
		}
		if text == c.Value {
			c.State = publication.StateGood
		}
	}
	if err == nil && len(found.Records) > 0 && !found.Authenticated {
		c.State, c.Detail = publication.StateDiffers, "the records are not signed by DNSSEC, so that nobody goes by them" // RFC 7672 §2.1.1
	}
	return err
}

// checkPolicy fetches our policy as a stranger would.
func (p *Publisher) checkPolicy(ctx context.Context, name mailaddr.DomainName) publication.Check {
	s := p.Snapshot()
	hosting, _ := s.MTASTSPolicy(name)
	host, _ := mtasts.Host(name)
	c := publication.Check{Record: publication.Record{
		Purpose: publication.PurposePolicy, Name: host, Type: "HTTPS", Value: hosting.Policy().String(), Note: served(s),
	}}
	text, _, err := p.Source.Fetch(ctx, name)
	switch {
	case err != nil:
		c.State, c.Detail = publication.StateMissing, reply.Quote(err.Error(), maxShown)
	case text != c.Value:
		c.State, c.Published, c.Detail = publication.StateDiffers, []string{reply.Quote(text, maxShown)}, "another policy is served"
	default:
		c.State = publication.StateGood
	}
	return c
}

// served says why the policy may not be served.
func served(s *config.Snapshot) string {
	if !s.Settings.PublicWeb.HTTPS.Enabled || !s.Settings.TLS.Enabled {
		return "HTTPS of the public web listener is switched off here"
	}
	return ""
}
