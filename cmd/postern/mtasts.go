package main

import (
	"context"
	"net"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/mailaddr"
	kernel "postern/domain/mtasts"
	"postern/smtp/dns"
	"postern/smtp/mtasts"
	"postern/smtp/outbound"
	"postern/smtp/publish"
)

var (
	_ mtasts.AddrResolver = (*resolver)(nil)
	_ mtasts.TXTResolver  = (*resolver)(nil)
)

// LookupTXT returns the TXT records of a name.
func (r *resolver) LookupTXT(ctx context.Context, name mailaddr.DomainName) (dns.TXTResult, error) {
	return r.current.Load().LookupTXT(ctx, name)
}

// makePolicies makes the cache of other domains' MTA-STS policies (B60).
func (a *App) makePolicies(ctx context.Context) error {
	a.fetcher = mtasts.NewFetcher(mtasts.FetcherConfig{
		Resolver: a.resolver, Dialer: new(net.Dialer), Roots: a.directoryRoots, Now: time.Now,
	})
	cache, err := mtasts.NewCache(ctx, mtasts.Dependencies{
		Store: a.database.MTASTS(), Resolver: a.resolver, Events: a.events, Metrics: mtasts.NewMetrics(a.registry),
		Source: a.fetcher, Logger: a.logger.With("log", "mta_sts"), Now: time.Now,
	})
	if err != nil {
		return err
	}
	a.policies = cache
	cache.Count(a.registry)
	a.onStop(func(context.Context) error {
		cache.Close()
		return nil
	})
	return nil
}

// makePublisher makes what looks at the domains of ours as strangers do (B61).
func (a *App) makePublisher() {
	a.verifier = outbound.NewVerifier(a.deliverer)
	a.publisher = publish.New(publish.Dependencies{
		Snapshot: a.config.Snapshot, Resolver: a.resolver, Prover: a.verifier, Source: a.fetcher, Served: a.ring.Choice,
	})
}

// mailHosts looks at the hosts that a policy lists; configuration is made before what
// it takes to look.
type mailHosts struct{ app *App }

var _ config.MailHosts = mailHosts{}

// CheckMailHosts is [config.MailHosts.CheckMailHosts].
func (m mailHosts) CheckMailHosts(ctx context.Context, h kernel.Hosting) domain.Faults {
	return m.app.publisher.CheckMailHosts(ctx, h)
}

// CheckPolicyHost is [config.MailHosts.CheckPolicyHost].
func (m mailHosts) CheckPolicyHost(next *config.Snapshot, name mailaddr.DomainName) domain.Faults {
	return m.app.publisher.CheckPolicyHost(next, name)
}

// hostedPolicy is the text of the policy of a domain of ours, as of the newest
// configuration: the id that dns-records shows is of the same one.
func (a *App) hostedPolicy(name mailaddr.DomainName) (string, bool) {
	h, ok := a.config.Snapshot().MTASTSPolicy(name)
	if !ok {
		return "", false
	}
	return h.Policy().String(), true
}
