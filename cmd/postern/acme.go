package main

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"postern/domain"
	kernel "postern/domain/acme"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/acme"
	"postern/smtp/dns/dnsupdate"
)

// makeACME makes the built-in ACME client (B48).
func (a *App) makeACME() *acme.Orders {
	state := a.database.ACME()
	client := acme.NewClient(acme.ClientConfig{
		Accounts: &acme.Accounts{Store: state, Secrets: a.secrets, Now: time.Now},
		Answers:  a.web.challenges, TLSAnswers: a.web.tlsAnswers,
		DNS:   acme.DNS{Resolver: zoneNames{a.resolver}, Dial: new(net.Dialer).DialContext},
		Roots: a.directoryRoots, Version: version(),
	})
	return acme.NewOrders(acme.Dependencies{
		Authority: client, Advice: client, State: state, Jobs: a.jobs,
		Certificates: a.certificates, Keys: a.database.Certificates(), Alerts: a.alerts.service,
		Snapshot: a.config.Snapshot, Log: a.logger.With("log", "acme"), Now: time.Now,
	})
}

// zoneNames finds out where the names of a zone lead, by the resolvers of the
// configuration.
type zoneNames struct{ *resolver }

var _ dnsupdate.Resolver = zoneNames{}

// Canonical returns the name at the end of the CNAMEs of a name.
func (n zoneNames) Canonical(ctx context.Context, name mailaddr.DomainName) (mailaddr.DomainName, error) {
	found, err := n.current.Load().LookupTXT(ctx, name)
	if err != nil {
		return "", err
	}
	if found.Canonical == "" {
		return "", domain.E(domain.Unavailable, "%s has a CNAME that is no name", name)
	}
	return found.Canonical, nil
}

// Addrs returns the addresses of a host.
func (n zoneNames) Addrs(ctx context.Context, host mailaddr.DomainName) ([]netip.Addr, error) {
	found, err := n.LookupAddrs(ctx, host)
	return found.Addrs(), err
}

var _ kernel.Orders = (*acme.Orders)(nil)

// directoryRoots are the roots of the system and the authorities of the
// configuration: a directory may be private.
func (a *App) directoryRoots() *x509.CertPool {
	pool := a.trust.system.Clone()
	for _, c := range a.config.Snapshot().TrustAnchors(policy.TrustAuthority) {
		pool.AddCert(c)
	}
	return pool
}
