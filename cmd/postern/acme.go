package main

import (
	"crypto/x509"
	"time"

	kernel "postern/domain/acme"
	"postern/domain/policy"
	"postern/smtp/acme"
)

// makeACME makes the built-in ACME client (B48).
func (a *App) makeACME() *acme.Orders {
	state := a.database.ACME()
	client := acme.NewClient(acme.ClientConfig{
		Accounts: &acme.Accounts{Store: state, Secrets: a.secrets, Now: time.Now},
		Answers:  a.web.challenges, TLSAnswers: a.web.tlsAnswers,
		Roots: a.directoryRoots, Version: version(),
	})
	return acme.NewOrders(acme.Dependencies{
		Authority: client, Advice: client, State: state, Jobs: a.jobs,
		Certificates: a.certificates, Keys: a.database.Certificates(), Alerts: a.alerts.service,
		Snapshot: a.config.Snapshot, Log: a.logger.With("log", "acme"), Now: time.Now,
	})
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
