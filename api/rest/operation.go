package rest

import (
	"slices"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
)

// basePath is where version 1 lives. It only grows (api.md).
const basePath = "/api/v1"

// operation is one method on one path. The table of all operations and the
// OpenAPI document say the same; a test compares them both ways.
type operation struct {
	method  string
	path    string // below basePath, with ":name" parameters
	id      string // operationId
	role    account.Role
	query   []string // names of the query parameters that it knows
	handler echo.HandlerFunc
}

const operationKey = "operation"

// The query parameters that operations of one shape share.
var (
	listQuery  = []string{"limit", "cursor"}
	writeQuery = []string{"wait"}
)

// operations is the table of the whole API.
func (a *API) operations() []operation {
	return slices.Concat(
		inDrafts(a.configurationOperations()...),
		inDrafts(a.configDocumentOperations()),
		a.changesOperations(),
		a.presetsOperations(),
		a.acmeChallengesOperations(),
		a.acmeOrdersOperations(),
		a.noTLSHostsOperations(),
		a.certificatesOperations(),
		a.certificateFilesOperations(),
		a.certificateScheduleOperations(),
		a.tokensOperations(),
		a.administratorsOperations(),
		a.messagesOperations(),
		a.messageActionsOperations(),
		a.deliveriesOperations(),
		a.destinationsOperations(),
		a.tlsReportOperations(),
		a.sessionsOperations(),
		a.mtastsPoliciesOperations(),
		a.publicationOperations(),
		a.reportOnlyOperations(),
		a.impactOperations(),
		a.explainOperations(),
		a.verifyOperations(),
		a.alertsOperations(),
		a.revisionsOperations(),
		a.jobsOperations(),
		a.eventsOperations(),
		a.webhookDeliveriesOperations(),
		a.statusOperations(),
		a.auditLogOperations(),
	)
}

// configurationOperations are those on configuration items, resource by resource.
func (a *API) configurationOperations() [][]operation {
	return [][]operation{
		a.listenersOperations(),
		a.senderGroupsOperations(),
		a.mailFlowPoliciesOperations(),
		a.domainsOperations(),
		a.hostedMTASTSOperations(),
		a.destinationControlsOperations(),
		a.mailRoutesOperations(),
		a.serverProfilesOperations(),
		a.trustAnchorsOperations(),
		a.starttlsExemptionsOperations(),
		a.starttlsRequirementsOperations(),
		a.settingsOperations(),
		a.requireTLSSettingsOperations(),
		a.contentFiltersOperations(),
		a.inspectionSettingsOperations(),
		a.publicWebSettingsOperations(),
		a.managementSettingsOperations(),
		a.acmeSettingsOperations(),
		a.mtastsSettingsOperations(),
		a.alertRecipientsOperations(),
		a.alertSettingsOperations(),
		a.webhooksOperations(),
	}
}

// register puts every operation, and the public pages beside them, into the
// router.
func (a *API) register() {
	operations := a.operations()
	a.readers = readersOf(operations)
	for _, o := range operations {
		a.echo.Add(o.method, basePath+o.path, a.guarded(o))
	}
	a.echo.GET(problemPath+":name", problemPage)
	a.registerDocs()
}

// guarded puts what every operation needs before its handler: a caller whose
// role allows it, a request within the caller's rate, a query that we
// understand, a configuration to work on, and a reply that the caller can read.
// What changes or reveals something goes into the audit log.
func (a *API) guarded(o operation) echo.HandlerFunc {
	if o.isList() {
		o.handler = a.inLines(o)
	}
	handle := a.idempotent(o, a.audited(o))
	return func(c echo.Context) error {
		c.Set(operationKey, o.id)
		a.deprecated[o.id].announce(c.Response().Header())
		c.Set(cursorSecretKey, a.cursorSecret)
		if err := a.authorize(c, o); err != nil {
			a.auditRefusal(c, o, err)
			return err
		}
		if err := a.rates.take(c.Response().Header(), principalOf(c)); err != nil {
			return err
		}
		if err := checkQuery(c, o.query); err != nil {
			return err
		}
		if err := a.chooseConfiguration(c); err != nil {
			return err
		}
		if _, err := negotiate(c.Request(), o.mediaTypes()...); err != nil {
			return err
		}
		return handle(c)
	}
}

// checkQuery refuses query parameters that the operation does not know: one
// that is ignored in silence would do another thing than was asked.
func checkQuery(c echo.Context, known []string) error {
	var faults domain.Faults
	for name, values := range c.QueryParams() {
		switch {
		case !slices.Contains(known, name):
			faults.Add("", "query parameter %q is unknown", shorten(name, 100))
		case len(values) > 1:
			faults.Add("", "query parameter %q occurs twice", name)
		}
	}
	if len(faults) > 0 {
		return &malformedError{detail: "The query cannot be read.", faults: faults}
	}
	return nil
}
