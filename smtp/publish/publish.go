// Package publish works out what domains of ours should publish so that others send to
// them by TLS, and looks at what they do publish, with the eyes of a stranger: through
// DNS, the web, and SMTP (B61).
//
// The order of publishing matters. A policy is served before its id is shown in DNS,
// since a sender that sees a new id fetches at once. Both come from one snapshot of the
// configuration here, so that no id is shown of what is not served. A policy is left by
// publishing mode none for as long as the former one may be remembered.
package publish

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
	"postern/domain/publication"
	"postern/smtp/dns"
)

// Resolver looks up what is published.
type Resolver interface {
	LookupMX(context.Context, mailaddr.DomainName) (dns.MXResult, error)
	LookupTXT(context.Context, mailaddr.DomainName) (dns.TXTResult, error)
	LookupAddrs(context.Context, mailaddr.DomainName) (dns.AddrResult, error)
	LookupTLSA(ctx context.Context, port uint16, host mailaddr.DomainName) (dns.TLSAResult, error)
}

// Prover makes live tests of hosts.
type Prover interface {
	ProveHost(ctx context.Context, host mailaddr.DomainName) error
}

// Source gets policies from where they are published.
type Source interface {
	Fetch(context.Context, mailaddr.DomainName) (string, mtasts.Policy, error)
}

// Dependencies is what a publisher works with.
type Dependencies struct {
	Snapshot func() *config.Snapshot
	Resolver Resolver
	Prover   Prover
	Source   Source
	// Served returns the certificate that an endpoint with the binding shows for a
	// name; false where it shows none.
	Served func(binding, name string) (certificate.Certificate, bool)
}

// Publisher is a [publication.Publisher].
type Publisher struct{ Dependencies }

var (
	_ publication.Publisher = (*Publisher)(nil)
	_ config.MailHosts      = (*Publisher)(nil)
)

// New returns a publisher.
func New(d Dependencies) *Publisher { return &Publisher{d} }

// Records is [publication.Publisher.Records].
func (p *Publisher) Records(name mailaddr.DomainName) ([]publication.Record, error) {
	s := p.Snapshot()
	if !s.Hosts(name) {
		return nil, domain.E(domain.NotFound, "there is no domain %q", name)
	}
	hosts := hostsOf(s)
	var records []publication.Record
	for _, host := range hosts {
		records = append(records, publication.Record{
			Purpose: publication.PurposeMX, Name: name, Type: "MX", Value: "10 " + host.String() + ".",
			Note: "the host of a public listener; another order, or a relay before it, is as good",
		})
	}
	records = append(records, p.policyRecords(s, name)...)
	if at, err := mailaddr.ParseDomainName("_smtp._tls." + name.String()); err == nil {
		records = append(records, publication.Record{
			Purpose: publication.PurposeTLSRPT, Name: at, Type: "TXT", Value: `"v=TLSRPTv1; rua=mailto:tls-reports@` + name.String() + `"`,
			Note: "any address that you read will do (RFC 8460 §3)",
		})
	}
	return append(records, p.tlsaRecords(s, hosts)...), nil
}

// hostsOf are the names of the public listeners.
func hostsOf(s *config.Snapshot) (hosts []mailaddr.DomainName) {
	for _, l := range s.Listeners() {
		if l.Kind == policy.ListenerPublic && !slices.Contains(hosts, l.HostName) {
			hosts = append(hosts, l.HostName)
		}
	}
	return hosts
}

// policyRecords are those of MTA-STS, in the order of publishing: the web server, then
// the id of what it serves (RFC 8461 §8.3).
func (p *Publisher) policyRecords(s *config.Snapshot, name mailaddr.DomainName) []publication.Record {
	hosting, ok := s.MTASTSPolicy(name)
	at, err := mtasts.RecordName(name)
	host, hostErr := mtasts.Host(name)
	if !ok || err != nil || hostErr != nil {
		return nil
	}
	return []publication.Record{
		{
			Purpose: publication.PurposeMTASTSHost, Name: host, Type: "CNAME", Value: s.Settings.Outbound.HostName.String() + ".",
			Note: "or address records: it must lead to the public web listener, whose certificate must cover the name",
		},
		{
			Purpose: publication.PurposeMTASTS, Name: at, Type: "TXT", Value: `"` + hosting.Record() + `"`,
			Note: "last, when the check finds the policy at https://" + host.String() + mtasts.Path,
		},
	}
}

// tlsaRecords are those for the certificates of the public listeners (B54).
func (p *Publisher) tlsaRecords(s *config.Snapshot, hosts []mailaddr.DomainName) (records []publication.Record) {
	for _, l := range s.Listeners() {
		i := slices.Index(hosts, l.HostName)
		if l.Kind != policy.ListenerPublic || i < 0 {
			continue
		}
		shown, ok := p.Served(l.CertificateID, l.HostName.String())
		if !ok {
			continue
		}
		r, err := shown.TLSA()
		at, nameErr := mailaddr.ParseDomainName("_25._tcp." + l.HostName.String())
		if err != nil || nameErr != nil {
			continue // a name without room for the record has none
		}
		records = append(records, publication.Record{
			Purpose: publication.PurposeTLSA, Name: at, Type: "TLSA", Value: describeTLSA(r),
			Note: "only in a zone that is signed by DNSSEC; before a new key comes, publish that too",
		})
		hosts = slices.Delete(slices.Clone(hosts), i, i+1)
	}
	return records
}

func describeTLSA(r certificate.TLSA) string {
	return fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.MatchingType, hex.EncodeToString(r.Data))
}

// Bounds of live tests.
const (
	proofTime = 15 * time.Second // of all hosts
	maxHosts  = 10
)

// Proof is [publication.Publisher.Proof].
func (p *Publisher) Proof(ctx context.Context, name mailaddr.DomainName) ([]publication.HostProof, error) {
	s := p.Snapshot()
	if !s.Hosts(name) {
		return nil, domain.E(domain.NotFound, "there is no domain %q", name)
	}
	hosting, _ := s.MTASTSPolicy(name)
	return p.prove(ctx, name, hosting.Policy())
}

// prove tests the MX hosts of a domain, and those that the policy lists by name.
func (p *Publisher) prove(ctx context.Context, name mailaddr.DomainName, listed mtasts.Policy) ([]publication.HostProof, error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	found, err := p.Resolver.LookupMX(ctx, name)
	if err != nil {
		return nil, &domain.Error{Kind: domain.Unavailable, Detail: "the MX records of " + name.String() + " cannot be looked up", Err: err}
	}
	var hosts []mailaddr.DomainName
	for _, mx := range found.Hosts {
		hosts = append(hosts, mx.Host)
	}
	for _, pattern := range listed.MX {
		if host, err := mailaddr.ParseDomainName(string(pattern)); err == nil && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	var proofs []publication.HostProof
	for i, host := range hosts {
		proofs = append(proofs, publication.HostProof{Host: host, Listed: listed.Lists(host), Fault: p.proveHost(ctx, host, i)})
	}
	return proofs, nil
}

// proveHost tests the i-th host; what is wrong is empty where nothing is.
func (p *Publisher) proveHost(ctx context.Context, host mailaddr.DomainName, i int) string {
	if i >= maxHosts {
		return fmt.Sprintf("%s: not tested, since only the first %d hosts are", host, maxHosts)
	}
	if err := p.Prover.ProveHost(ctx, host); err != nil {
		return err.Error()
	}
	return ""
}

// CheckMailHosts is [config.MailHosts.CheckMailHosts].
func (p *Publisher) CheckMailHosts(ctx context.Context, h mtasts.Hosting) (f domain.Faults) {
	const advice = "; force publishes the policy all the same"
	proofs, err := p.prove(ctx, h.Domain, h.Policy())
	switch {
	case err != nil:
		f.Add("/mx", "%s%s", err, advice)
	case len(proofs) == 0: // only wildcards are listed
		f.Add("/mx", "the domain has no MX record: there is no host to verify%s", advice)
	}
	for _, proof := range proofs {
		switch {
		case !proof.Listed:
			f.Add("/mx", "the MX host %s is not listed: senders that obey the policy would not use it%s", proof.Host, advice)
		case proof.Fault != "":
			f.Add("/mx", "senders that obey the policy could not deliver to %s%s", proof.Fault, advice)
		}
	}
	return f
}

// CheckPolicyHost is [config.MailHosts.CheckPolicyHost].
func (p *Publisher) CheckPolicyHost(next *config.Snapshot, name mailaddr.DomainName) (warnings domain.Faults) {
	host, err := mtasts.Host(name)
	if err != nil {
		return nil // which is a fault already
	}
	if fault := cmp.Or(served(next), p.uncovered(next, host)); fault != "" {
		warnings.Add("/domain", "nobody can fetch the policy from %s: %s", host, fault)
	}
	return warnings
}
