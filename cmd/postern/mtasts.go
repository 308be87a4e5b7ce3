package main

import (
	"context"
	"net"
	"time"

	"postern/domain/mailaddr"
	"postern/smtp/dns"
	"postern/smtp/mtasts"
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
	cache, err := mtasts.NewCache(ctx, mtasts.Dependencies{
		Store: a.database.MTASTS(), Resolver: a.resolver, Events: a.events, Metrics: mtasts.NewMetrics(a.registry),
		Source: mtasts.NewFetcher(mtasts.FetcherConfig{
			Resolver: a.resolver, Dialer: new(net.Dialer), Roots: a.directoryRoots, Now: time.Now,
		}),
		Logger: a.logger.With("log", "mta_sts"), Now: time.Now,
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
