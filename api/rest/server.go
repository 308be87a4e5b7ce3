package rest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/acme"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/domain/publication"
	"postern/domain/whatif"
)

// Limits of the management listener. Writing must outlast the longest `?wait=`.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = maxWait + 30*time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
	maxBodyBytes   = 1 << 20
)

// Config is what the API is made of. Every field is needed.
type Config struct {
	Log     *slog.Logger
	Now     func() time.Time
	Version string
	// Measure is told of every finished request: the id of the operation, or
	// "other" where the request was for none, the HTTP status, and how long it
	// took.
	Measure func(operation string, status int, took time.Duration)

	Authenticator Authenticator
	Configuration Configuration
	Revisions     Revisions
	Changes       Changes
	ChangeCommits ChangeCommits
	// Preview says what a change would come to.
	Preview           func(context.Context, config.Change) (config.Preview, error)
	Snapshot          func() *config.Snapshot
	Certificates      CertificateReader
	CertificateWriter CertificateWriter
	CertificateFiles  CertificateFiles
	// CertificateSchedule activates by other ways than at once and by id.
	CertificateSchedule CertificateSchedule
	// ProveCertificate connects to the own endpoints and tells what they serve.
	ProveCertificate func(context.Context, certificate.Certificate) []probe.ServedCertificate
	Tokens           Tokens
	Administrators   Administrators
	Messages         MessageReader
	MessageActor     MessageActor
	OneHourList      OneHourList
	Destinations     Destinations
	TLSReports       TLSReports
	Secrets          config.Secrets
	Alerts           Alerts
	Challenges       Challenges
	ACMEOrders       acme.Orders
	ACMEState        ACMEState
	Jobs             Jobs
	Events           Events
	Webhooks         WebhookDispatcher
	Sessions         Sessions
	MTASTSPolicies   mtasts.Cache
	// Publisher says what hosted domains should publish, and what they do.
	Publisher  publication.Publisher
	ReportOnly ReportOnly
	// History is what drafts are tried on (B72).
	History     whatif.History
	AuditLog    AuditLog
	Idempotency Idempotency
	// Rates are shared with the other interfaces.
	Rates *RateLimiter
	// CursorSecret signs cursors of lists; cursors live as long as it does.
	CursorSecret []byte
	// Listeners returns how the listeners are doing, sorted by name.
	Listeners func() []ListenerStatus
	// ExplainDestination and ExplainClient say what would happen, without doing
	// it (B71): under the snapshot, that of a draft, or where it is nil as things
	// are. An unknown listener is a NotFound error.
	ExplainDestination func(ctx context.Context, under *config.Snapshot, recipient mailaddr.DomainName, flagged bool) probe.Destination
	ExplainClient      func(ctx context.Context, under *config.Snapshot, listener string, client netip.Addr) (probe.Client, error)
	// ExplainMessage does the same for the recipients of a message that wait.
	ExplainMessage func(context.Context, *config.Snapshot, *delivery.Message) []probe.MessageGroup
	// Verify talks to hosts as a delivery would, up to MAIL (B71). A question
	// that cannot be asked is an Invalid error.
	Verify func(context.Context, probe.Question) (probe.Verification, error)
	// TestCoreProfile makes a live test (B32).
	TestCoreProfile func(context.Context, policy.CoreProfile) (probe.Inspection, error)
	// Problems are what does not serve and is no part of the configuration's own status; nil: none.
	Problems func() []config.Problem
	// Resolver tells whether the DNS resolvers validate; nil: the status does not say.
	Resolver func() ResolverStatus
	// NotReady returns the reasons why the gateway is not ready; none if it is.
	NotReady func(context.Context) []string
}

// API answers the REST interface, its document and its documentation page.
type API struct {
	log     *slog.Logger
	now     func() time.Time
	version string
	started time.Time

	auth                Authenticator
	config              Configuration
	revisions           Revisions
	changes             Changes
	changeCommits       ChangeCommits
	preview             func(context.Context, config.Change) (config.Preview, error)
	snapshot            func() *config.Snapshot
	certificates        CertificateReader
	certificateWriter   CertificateWriter
	certificateFiles    CertificateFiles
	certificateSchedule CertificateSchedule
	prove               func(context.Context, certificate.Certificate) []probe.ServedCertificate
	tokens              Tokens
	administrators      Administrators
	messages            MessageReader
	messageActor        MessageActor
	oneHour             OneHourList
	destinations        Destinations
	reports             TLSReports
	sessions            Sessions
	mtastsPolicies      mtasts.Cache
	publisher           publication.Publisher
	reportOnly          ReportOnly
	history             whatif.History
	alerts              Alerts
	challenges          Challenges
	acmeOrders          acme.Orders
	acmeState           ACMEState
	jobs                Jobs
	events              Events
	streams             *streams
	dispatcher          WebhookDispatcher
	secrets             config.Secrets
	audit               AuditLog
	idempotency         Idempotency
	cursorSecret        []byte
	listenerStatus      func() []ListenerStatus
	explainDomain       func(context.Context, *config.Snapshot, mailaddr.DomainName, bool) probe.Destination
	explainClient       func(context.Context, *config.Snapshot, string, netip.Addr) (probe.Client, error)
	explainMessage      func(context.Context, *config.Snapshot, *delivery.Message) []probe.MessageGroup
	verify              func(context.Context, probe.Question) (probe.Verification, error)
	testCore            func(context.Context, policy.CoreProfile) (probe.Inspection, error)
	notReady            func(context.Context) []string
	problems            func() []config.Problem
	resolver            func() ResolverStatus

	listeners            resource[Listener]
	senderGroups         resource[SenderGroups]
	senderGroupMembers   orderedList[SenderGroup]
	mailFlowPolicies     resource[MailFlowPolicy]
	domains              resource[HostedDomain]
	destinationControls  resource[DestinationControl]
	mailRoutes           resource[Route]
	serverProfiles       resource[ServerProfile]
	trustAnchors         resource[TrustAnchor]
	starttlsExemptions   resource[STARTTLSExemption]
	starttlsRequirements resource[STARTTLSRequirement]
	tlsSettings          resource[TLSSettings]
	queueSettings        resource[QueueSettings]
	dnsSettings          resource[DNSSettings]
	outboundSettings     resource[OutboundSettings]
	alertSettings        resource[AlertSettings]
	alertRecipients      resource[AlertRecipient]
	webhooks             resource[Webhook]
	requireTLSSettings   resource[RequireTLSSettings]
	contentFilters       resource[ContentFilters]
	contentFilterMembers orderedList[ContentFilter]
	inspectionSettings   resource[InspectionSettings]
	publicWebSettings    resource[PublicWebSettings]
	managementSettings   resource[ManagementSettings]
	acmeSettings         resource[ACMESettings]
	mtastsSettings       resource[MTASTSSettings]
	hostedMTASTS         resource[HostedMTASTS]

	bulkTurns chan struct{} // one for each table that is being written

	measure    func(operation string, status int, took time.Duration)
	rates      *RateLimiter
	deprecated map[string]deprecation // by operationId
	readers    map[string]operation   // that show what is at a path, by path
	echo       *echo.Echo
}

// New makes the API. It serves [API.Handler] and starts nothing by itself.
func New(c Config) *API {
	a := &API{
		log: c.Log, now: c.Now, version: c.Version, started: c.Now(),
		auth: c.Authenticator, config: c.Configuration, revisions: c.Revisions, snapshot: c.Snapshot,
		changes: c.Changes, changeCommits: c.ChangeCommits, preview: c.Preview,
		certificates: c.Certificates, certificateWriter: c.CertificateWriter,
		certificateFiles: c.CertificateFiles, certificateSchedule: c.CertificateSchedule, prove: c.ProveCertificate,
		tokens: c.Tokens, administrators: c.Administrators,
		messages: c.Messages, messageActor: c.MessageActor, oneHour: c.OneHourList, alerts: c.Alerts,
		challenges: c.Challenges,
		acmeOrders: c.ACMEOrders, acmeState: c.ACMEState,
		destinations: c.Destinations, reports: c.TLSReports,
		sessions: c.Sessions, reportOnly: c.ReportOnly, history: c.History,
		listenerStatus: c.Listeners, explainDomain: c.ExplainDestination, explainClient: c.ExplainClient,
		explainMessage: c.ExplainMessage, verify: c.Verify, notReady: c.NotReady, problems: c.Problems, resolver: c.Resolver,
		audit: c.AuditLog, idempotency: c.Idempotency, cursorSecret: c.CursorSecret,
		secrets: c.Secrets, testCore: c.TestCoreProfile,
		mtastsPolicies: c.MTASTSPolicies, publisher: c.Publisher,
		jobs:   c.Jobs,
		events: c.Events, streams: newStreams(), dispatcher: c.Webhooks,
		measure: c.Measure, rates: c.Rates, echo: echo.New(), deprecated: deprecations(),
	}
	a.bulkTurns = make(chan struct{}, maxBulkWrites)
	a.makeResources()
	a.echo.HTTPErrorHandler = func(err error, c echo.Context) { a.fail(c, err) }
	a.echo.Use(a.observe)
	a.register()
	return a
}

func (a *API) makeResources() {
	a.listeners = newListeners(a)
	a.senderGroups = newSenderGroups(a)
	a.senderGroupMembers = newSenderGroupMembers(a)
	a.mailFlowPolicies = newMailFlowPolicies(a)
	a.domains = newDomains(a)
	a.destinationControls = newDestinationControls(a)
	a.mailRoutes = newMailRoutes(a)
	a.serverProfiles = newServerProfiles(a)
	a.trustAnchors = newTrustAnchors(a)
	a.starttlsExemptions = newSTARTTLSExemptions(a)
	a.starttlsRequirements = newSTARTTLSRequirements(a)
	a.tlsSettings = newTLSSettings(a)
	a.queueSettings = newQueueSettings(a)
	a.dnsSettings = newDNSSettings(a)
	a.outboundSettings = newOutboundSettings(a)
	a.alertSettings = newAlertSettings(a)
	a.alertRecipients = newAlertRecipients(a)
	a.webhooks = newWebhooks(a)
	a.requireTLSSettings = newRequireTLSSettings(a)
	a.contentFilters = newContentFilters(a)
	a.contentFilterMembers = newContentFilterMembers(a)
	a.inspectionSettings = newInspectionSettings(a)
	a.publicWebSettings = newPublicWebSettings(a)
	a.managementSettings = newManagementSettings(a)
	a.acmeSettings = newACMESettings(a)
	a.mtastsSettings = newMTASTSSettings(a)
	a.hostedMTASTS = newHostedMTASTS(a)
}

// Handler returns the API as a handler for every path that it has; all other
// paths get a problem document with 404.
func (a *API) Handler() http.Handler { return headAsGet(a.echo) }

// NewServer returns the HTTP server of a management listener, with its limits
// set. The caller serves and shuts it down.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           readOut(handler),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Bounds of what is read of a body that nobody wants.
const (
	maxUnwanted  = 16 << 20
	unwantedTime = 5 * time.Second
)

// readOut reads what a handler has left of a body, within bounds, before the
// connection is closed: many clients send all before they look for a reply, and
// would hear of a broken connection instead of a body that is too large.
func readOut(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := r.Body
		next.ServeHTTP(w, r)
		if body == nil || body == http.NoBody {
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unwantedTime)) // where there is none, that of the server holds
		_, _ = io.CopyN(io.Discard, body, maxUnwanted)
	})
}

// headAsGet lets every GET route answer HEAD (RFC 9110 §9.3.2). The server in
// front of the handler still knows that the body must not be sent.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.Clone(r.Context())
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}
