package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"postern/api/ops"
	"postern/api/rest"
	"postern/api/xmlrpc"
	"postern/domain"
	"postern/smtp/queue"
)

func (a *App) makeManagement(context.Context) error {
	a.webhooks = a.newWebhooks()
	a.acme = a.makeACME()
	cursorSecret, err := a.database.CursorSecret()
	if err != nil {
		return domain.Wrap(err, "derive the secret of cursors")
	}
	rates := rest.NewRateLimiter(time.Now) // shared: whoever may call has one rate, whichever way
	api := rest.New(rest.Config{
		Log: a.logger, Now: time.Now, Version: version(),
		AuditLog: a.audit, Rates: rates, Idempotency: a.repeats, CursorSecret: cursorSecret, Authenticator: a.gate,
		Configuration: a.config, Revisions: a.config, Snapshot: a.config.Snapshot,
		Changes: a.drafts, ChangeCommits: a.drafts, Preview: a.config.Preview,
		Certificates: a.certificates, CertificateWriter: a.certificates, CertificateFiles: a.certificates,
		CertificateSchedule: a.certificates, ProveCertificate: a.proveCertificate,
		Tokens: a.accounts, Administrators: a.accounts,
		Messages: a.database.Queue(), MessageActor: loggedActor{a.queue, a.events}, OneHourList: oneHourView{a.oneHour},
		Destinations: queue.NewDestinations(a.queue, a.database.Queue()), TLSReports: a.statistics,
		Sessions: a.database.Queue(), ReportOnly: a.reportOnly, History: a.database.Queue(),
		Secrets: a.secrets, TestCoreProfile: a.inspector.Test,
		Listeners: a.listenerStatus, ExplainDestination: a.explainDestination, ExplainClient: a.explainClient,
		ExplainMessage: a.explainMessage, Verify: a.verifier.Verify,
		Measure: ops.NewRequestMeter(a.registry).Measure, NotReady: a.notReady, Problems: a.digitalIDProblems, Resolver: a.resolver.status, Alerts: a.alerts.service,
		Challenges: a.web.challenges, ACMEOrders: a.acme, ACMEState: a.database.ACME(),
		MTASTSPolicies: a.policies, Publisher: a.publisher,
		Jobs: a.jobs, Events: a.events, Webhooks: a.webhooks,
	})
	calls := xmlrpc.NewServer(xmlrpc.Services{
		AuditLog: a.audit, Rates: rates, Version: version(), Authenticator: a.gate,
		Configuration:     a.config,
		CertificateReader: a.certificates, CertificateWriter: a.certificates, CertificateForcer: a.certificates, CertificateFiles: a.certificates,
		CertificateSchedule: a.certificates,
		Challenges:          a.web.challenges, Orders: a.acme,
		Reporter: a.alerts.service,
	}, a.logger, time.Now)
	a.registerMetrics()
	mux := http.NewServeMux()
	mux.Handle("/", api.Handler())
	mux.Handle("/RPC2", calls)
	mux.Handle("/xmlrpc", calls)
	mux.Handle("GET /docs/xmlrpc", calls.Page())
	ops.Register(mux, ops.Config{Gatherer: a.registry, NotReady: a.notReady})
	a.management, a.web.management = rest.NewServer(mux, a.logger), mux
	a.endStreams = api.EndStreams
	return nil
}

// listenManagement opens the management address: credentials cross it, so in
// clear it is for this machine only.
func (a *App) listenManagement(ctx context.Context) error {
	addr, err := netip.ParseAddrPort(a.options.API)
	if err != nil || !addr.Addr().IsLoopback() {
		return domain.E(domain.Invalid, "the management address %q must be a loopback address with a port, as 127.0.0.1:8025: it is clear HTTP", a.options.API)
	}
	var config net.ListenConfig
	if a.listener, err = config.Listen(ctx, "tcp", addr.String()); err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	a.onStop(func(context.Context) error { return closeListener(a.listener) })
	return nil
}

func closeListener(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// notReady returns why the gateway cannot do its work; nothing where it can.
func (a *App) notReady(context.Context) []string {
	var reasons []string
	if err := a.engine.Ready(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if err := a.queue.Accepting(); err != nil {
		reasons = append(reasons, "the queue cannot store: "+err.Error())
	}
	return reasons
}
