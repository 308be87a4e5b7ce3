package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/audit"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/idempotency"
	"postern/domain/job"
	"postern/domain/mailaddr"
	"postern/domain/reportonly"
	"postern/domain/session"
	"postern/domain/tlsreport"
	"postern/persistence"
	"postern/smtp"
	"postern/smtp/acme"
	"postern/smtp/digitalid"
	"postern/smtp/inbound"
	"postern/smtp/keyring"
	"postern/smtp/mtasts"
	"postern/smtp/outbound"
	"postern/smtp/publish"
	"postern/smtp/queue"
	"postern/smtp/scan"
	"postern/smtp/watch"
	"postern/smtp/webhook"
)

// Options are all that is needed before the database opens; everything else is
// configuration behind the API.
type Options struct {
	DataDir string
	// API is the address of the management listener, as 127.0.0.1:8025.
	API string
	// Seed is what a fresh data directory starts with.
	Seed config.Seed
	// Grace bounds how long a stop waits for sessions and deliveries.
	Grace  time.Duration
	Logger *slog.Logger
}

// App is the whole gateway. Every part is made in New, in the order in which
// they depend on each other, and ended in the reverse order by Stop.
type App struct {
	options Options
	logger  *slog.Logger
	// AdminToken is set when the data directory is new: it is shown once.
	AdminToken string

	database     *persistence.Database
	ids          delivery.IDSource
	bus          *event.Bus
	accounts     *account.Service
	audit        *audit.Service
	gate         *audit.Gate
	repeats      *idempotency.Service
	config       *config.Service
	drafts       *config.Drafts
	certificates *certificate.Service
	ring         *keyring.Ring
	digitalID    *digitalid.Watcher
	shownAsUs    string // the binding of the outbound client role that is in force
	secrets      config.Secrets
	trust        *trust
	resolver     *resolver
	oneHour      *outbound.OneHourList
	policies     *mtasts.Cache
	fetcher      *mtasts.Fetcher
	publisher    *publish.Publisher
	statistics   *tlsreport.Recorder
	reportDays   *tlsreport.Days
	sessions     *session.Recorder
	reportOnly   *reportonly.Counter
	deliverer    *outbound.Deliverer
	verifier     *outbound.Verifier
	inspector    *scan.Inspector
	queue        *queue.Queue
	alerts       alerts
	web          websites
	acme         *acme.Orders
	endStreams   func() // of events, before the servers stop
	jobs         *job.Service
	events       *eventlog.Log
	webhooks     *webhook.Dispatcher
	engine       *smtp.Engine
	registry     *prometheus.Registry
	management   *http.Server
	listener     net.Listener

	background background
	closers    []func(context.Context) error // run in reverse order
}

// New makes the gateway from its data directory, which it creates where it does
// not exist. Nothing is served until Start.
func New(ctx context.Context, options Options) (_ *App, err error) {
	a := &App{options: options, logger: options.Logger, bus: new(event.Bus), registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
		}
	}()
	for _, step := range []func(context.Context) error{
		a.openDatabase, a.makeEvents, a.listenManagement, a.makeConfiguration, a.makeDrafts, a.makeOutbound, a.makeInspection, a.makeInbound,
		a.makeWeb, a.makeJobs, a.makeManagement, a.ensureAdministrator, // last: a start that fails must not use up the token
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) openDatabase(ctx context.Context) error {
	database, err := persistence.Open(ctx, a.options.DataDir, persistence.Options{Logger: a.logger})
	if err != nil {
		return err
	}
	a.database = database
	a.accounts = newAccounts(database)
	a.onStop(func(context.Context) error { return database.Close() })
	a.makeAudit()
	return nil
}

// ensureAdministrator makes the first token, which is shown once: by then nothing
// can fail any more.
func (a *App) ensureAdministrator(ctx context.Context) error {
	token, created, err := a.accounts.EnsureAdministrator(ctx)
	if created {
		a.AdminToken = token
	}
	return domain.Wrap(err, "make the first administrator")
}

// newAccounts returns the accounts of a data directory.
func newAccounts(database *persistence.Database) *account.Service {
	stored := database.Accounts()
	return account.NewService(account.Dependencies{
		Administrators: stored, Tokens: stored, Roster: stored, TokenUses: stored, Now: time.Now, NewID: newTimeOrderedID,
	})
}

// makeConfiguration makes certificates and configuration, which ask each other:
// configuration whether a certificate can serve, certificates whether they are
// bound.
func (a *App) makeConfiguration(ctx context.Context) error {
	store, keys := a.database.Certificates(), a.database.Certificates()
	checker := certificate.NewChecker(store, keys, time.Now)
	stored := a.database.Configuration()
	service, err := config.NewService(ctx, config.Dependencies{
		Store: stored, History: stored, Certificates: checker, Sockets: engineSockets{a}, MailHosts: mailHosts{a}, Bus: a.bus, Now: time.Now,
	})
	if err != nil {
		return err
	}
	a.config = service
	a.certificates = certificate.NewService(certificate.Dependencies{
		Store: store, Editor: store, Keys: keys, Bindings: service, Publications: publications{a}, Bus: a.bus, Now: time.Now, NewID: newTimeOrderedID,
	})
	if _, err := a.certificates.EnsureDemonstration(ctx, a.options.Seed.HostName.String()); err != nil {
		return domain.Wrap(err, "make the demonstration certificate")
	}
	if err := service.Seed(ctx, a.options.Seed); err != nil {
		return err
	}
	a.makeDigitalID()
	a.ring = keyring.New(keyring.Config{
		Keys: keys, Bus: a.bus, Applied: a.certificates.ReportApplied, Log: a.logger, Now: time.Now,
	})
	return domain.Wrap(a.ring.Load(ctx), "load the active certificate")
}

func newTimeOrderedID() string { return uuid.Must(uuid.NewV7()).String() }

func (a *App) newMessageID() delivery.MessageID { return a.ids.Next(time.Now(), rand.Uint32()) }

func (a *App) makeOutbound(ctx context.Context) error {
	a.resolver = newResolver(a.config.Snapshot(), a.bus)
	a.oneHour = outbound.NewOneHourList(time.Now)
	a.secrets = a.database.Secrets(time.Now)
	var err error
	if a.trust, err = newTrust(a.config.Snapshot()); err != nil {
		return domain.Wrap(err, "read the root certificates of the system")
	}
	if err := a.makePolicies(ctx); err != nil {
		return err
	}
	stored := a.database.Queue()
	a.statistics = tlsreport.NewRecorder(stored, time.Now)
	a.reportDays = tlsreport.NewDays(stored, time.Now)
	a.makeReportOnly()
	if err := a.makeAlerts(ctx); err != nil {
		return err
	}
	a.deliverer = outbound.New(outbound.Dependencies{
		Snapshot:          a.config.Snapshot,
		Resolver:          a.resolver,
		Policies:          a.policies,
		DANE:              a.resolver,
		Dialer:            new(net.Dialer),
		Trust:             a.trust.current.Load,
		Secrets:           a.secrets,
		ClientCertificate: a.clientCertificate,
		LocalAddrs:        localAddrs,
		OneHour:           a.oneHour,
		Observer:          outbound.NewMetrics(a.registry, outgoing{a.statistics, a.alerts.partners}),
		Reports:           a.reportOnly,
		ReportSessions:    a.reportDays,
		Logger:            a.logger,
		Now:               time.Now,
		Timeouts:          outbound.DefaultTimeouts(),
		Pool:              outbound.DefaultPoolLimits(),
	})
	a.makePublisher()
	a.queue = queue.New(queue.Dependencies{
		Store: stored, Archive: stored, Spooler: stored, Transport: a.deliverer, Snapshot: a.config.Snapshot,
		Logger: a.logger.With("log", "mail"), Now: time.Now, NewID: a.newMessageID, Grace: a.options.Grace / 2,
		Observers: []queue.Observer{a.alerts.deliveries, watch.NewBounces(a.events), queue.NewMetrics(a.registry)},
	})
	return nil
}

func (a *App) makeInbound(context.Context) error {
	a.makeSessions()
	a.engine = smtp.New(a.config, a.bus, inbound.Dependencies{
		Snapshot: a.config.Snapshot,
		Queue:    a.queue,
		Names:    a.resolver,
		Keys:     a.ring,
		Limits:   inbound.NewLimits(),
		Metrics:  inbound.NewMetrics(a.registry),
		Observer: a.statistics,
		Sessions: a.sessions,
		Reports:  a.reportOnly,
		Logger:   a.logger.With("log", "mail"),
		Now:      time.Now,
		NewID:    a.newMessageID,

		Inspector: a.inspector,
	}, a.follow, a.logger)
	return nil
}

// follow puts those parts of a snapshot into force that are not listeners.
func (a *App) follow(ctx context.Context, snapshot *config.Snapshot) []config.Problem {
	a.resolver.follow(snapshot)
	if a.trust.follow(snapshot) {
		a.deliverer.CloseIdle() // what was verified under other anchors serves no longer
		a.inspector.Forget()
	}
	a.followClientCertificate(snapshot)
	return a.followWeb(ctx, snapshot)
}

// Start begins to serve. What cannot start (a port that is taken) is reported,
// retried, and does not keep the rest from serving.
func (a *App) Start(ctx context.Context) {
	a.onStop(a.flushStatistics) // when nothing is left that counts
	a.startSessions()
	a.onStop(a.flushEvents)
	a.background.run(a.ring.Run)
	a.background.run(a.policies.Run)
	a.background.run(a.keepStatistics)
	a.background.run(a.followConfirmations)
	a.background.run(a.forgetDrafts)
	a.onStop(a.background.stop)
	queueEnd := make(chan struct{})
	runQueue, stopQueue := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(queueEnd)
		if err := a.queue.Run(runQueue); err != nil {
			a.logger.Error("the queue ended", "error", err.Error())
		}
	}()
	a.onStop(func(context.Context) error {
		stopQueue()
		<-queueEnd
		a.deliverer.Close()
		return nil
	})
	a.engine.Start(ctx)
	a.background.run(a.engine.Run)
	a.background.run(a.resolver.examine)
	a.startAlerts()
	a.startCertificates()
	a.background.run(a.digitalID.Run)
	a.startAudit()
	a.startControl(ctx)
	a.onStop(a.engine.Stop)
	a.startJobs()
	a.background.run(a.acme.Run)
	a.startEvents()
	go func() {
		if err := a.management.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("the API ended", "error", err.Error())
		}
	}()
	a.onStop(a.management.Shutdown)
	a.onStop(a.web.endpoints.Stop)
	a.onStop(func(context.Context) error { // or the servers would wait for them
		a.endStreams()
		return nil
	})
}

// Stop ends the gateway: the API first, then the inbound side, then deliveries,
// then the database. It waits for what is under way as long as the grace of the
// options allows; nothing is lost either way.
func (a *App) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(a.options.Grace, 30*time.Second))
	defer cancel()
	var errs []error
	for len(a.closers) > 0 {
		last := len(a.closers) - 1
		closer := a.closers[last]
		a.closers = a.closers[:last]
		errs = append(errs, closer(ctx))
	}
	return errors.Join(errs...)
}

func (a *App) onStop(closer func(context.Context) error) { a.closers = append(a.closers, closer) }

// APIAddr returns where the API listens.
func (a *App) APIAddr() string { return a.listener.Addr().String() }

// Listeners returns how the configured listeners fare.
func (a *App) Listeners() []smtp.ListenerStatus { return a.engine.Listeners() }

// hostName checks a host name that comes by flag or from the system.
func hostName(s string) (mailaddr.DomainName, error) {
	name, err := mailaddr.ParseDomainName(s)
	return name, domain.Wrap(err, "the host name %q", s)
}
