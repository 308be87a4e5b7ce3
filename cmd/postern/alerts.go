package main

import (
	"context"
	"net"
	"time"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/alertmail"
	"postern/smtp/outbound"
	"postern/smtp/watch"
)

// alerts are the parts that raise alerts and take them to their recipients
// (B62).
type alerts struct {
	service    *alert.Service
	dispatcher *alertmail.Dispatcher
	deliveries *watch.Deliveries
	conditions *watch.Conditions
	partners   *watch.Partners
}

// outgoing counts connections, and watches for partners that drop STARTTLS.
type outgoing struct {
	*tlsreport.Recorder
	partners *watch.Partners
}

var _ outbound.Observer = outgoing{}

// CountConnection is [outbound.Observer.CountConnection].
func (o outgoing) CountConnection(c tlsreport.Connection) {
	o.Recorder.CountConnection(c)
	o.partners.CountConnection(c)
}

// makeAlerts makes them before deliverer and queue, whose connections and
// settlements they hear of.
func (a *App) makeAlerts(ctx context.Context) error {
	logger := a.logger.With("log", "alert")
	mailer := alertmail.NewMailer(outbound.Dependencies{
		Snapshot: a.config.Snapshot, Resolver: a.resolver, DANE: a.resolver, Dialer: new(net.Dialer),
		Trust:             a.trust.current.Load,
		ClientCertificate: a.clientCertificate, LocalAddrs: localAddrs, Logger: logger, Now: time.Now,
	}, a.newMessageID)
	a.alerts.dispatcher = alertmail.NewDispatcher(mailer, alertmail.NewWebhook(a.config.Snapshot, a.secrets, a.newCaller(), time.Now), logger, time.Now)
	latest, err := a.database.Queue().LatestTLS(ctx, watch.MaxPartners)
	if err != nil {
		return domain.Wrap(err, "read what is known of TLS with destinations")
	}
	a.alerts.service, err = alert.NewService(ctx, alert.Dependencies{
		Store: a.database.Alerts(), Notifier: a.alerts.dispatcher, Log: a.events, Now: time.Now, NewID: newTimeOrderedID,
		Recipients: func() []policy.AlertRecipient { return a.config.Snapshot().AlertRecipients() },
	})
	a.alerts.deliveries = watch.NewDeliveries(a.alerts.service, logger)
	a.alerts.partners = watch.NewPartners(latest, a.alerts.deliveries.Find, time.Now)
	a.alerts.conditions = watch.NewConditions(a.alerts.service, a.bus, logger,
		watch.NotApplied(a.config.Status),
		watch.Spool(func() error { return a.queue.Accepting() }),
		watch.DigitalID(func() string { return a.digitalID.Problem() }),
		watch.Resolver(a.resolver.notValidating),
		watch.Expiry(a.certificatesInUse, time.Now),
		watch.PlaintextShare(a.statistics.Totals, a.plaintextShare, time.Now))
	return err
}

// startAlerts begins to raise alerts. Conditions are looked at when the rest has
// had its start.
func (a *App) startAlerts() {
	a.background.run(func(ctx context.Context) { a.alerts.dispatcher.Run(ctx, a.alerts.service) })
	a.background.run(a.alerts.deliveries.Run)
	a.background.run(a.alerts.conditions.Run)
	a.background.run(func(ctx context.Context) {
		watch.Tidy(ctx, a.tidyAlerts, a.logger)
	})
}

// tidyAlerts forgets alerts as old as other history that is forgotten.
func (a *App) tidyAlerts(ctx context.Context) error {
	keep := a.history()
	return a.alerts.service.Tidy(ctx, keep)
}

// plaintextShare returns how much mail may go in clear.
func (a *App) plaintextShare() policy.PlaintextShare {
	return a.config.Snapshot().Settings.Alerts.PlaintextShare
}

// certificatesInUse returns the active certificate and those that something is
// bound to.
func (a *App) certificatesInUse(ctx context.Context) ([]certificate.Certificate, error) {
	active, err := a.certificates.Active(ctx)
	if err != nil && domain.KindOf(err) != domain.NotFound {
		return nil, err
	}
	list := []certificate.Certificate{active}
	if err != nil {
		list = nil // none is active
	}
	seen := map[string]bool{"": true, active.ID: true}
	for _, id := range boundCertificates(a.config.Snapshot()) {
		if seen[id] {
			continue
		}
		seen[id] = true
		bound, err := a.certificates.Get(ctx, id)
		if err != nil && domain.KindOf(err) != domain.NotFound {
			return nil, err
		}
		if err == nil { // one that is gone is replaced by the active one
			list = append(list, bound)
		}
	}
	return list, nil
}
