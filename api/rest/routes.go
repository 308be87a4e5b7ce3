package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Route sends the mail of a recipient domain to given next hops instead of its MX hosts (B31).
type Route struct {
	// Pattern is a domain name, ".example.com" for everything below it, or "ALL"; the longest one that matches decides.
	Pattern mailaddr.HostPattern `json:"pattern" swaggertype:"string"`
	// NextHops are tried by priority; hosts of one priority take turns.
	NextHops []policy.NextHop `json:"next_hops"`
	// PolicyDomain says that the next hops serve the recipient domain itself, so that its MTA-STS and DANE policies apply.
	PolicyDomain bool `json:"policy_domain,omitempty"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
}

func newMailRoutes(a *API) resource[Route] {
	return resource[Route]{
		api: a, kind: config.KindRoute, param: "pattern", key: hostPatternKey,
		read: func(key string, r Route) config.Value {
			r.Pattern = patternOr(r.Pattern, key)
			return policy.Route(r)
		},
		show: func(v config.Value) Route {
			r := Route(v.(policy.Route))
			r.NextHops = orEmpty(r.NextHops)
			return r
		},
	}
}

func (a *API) mailRoutesOperations() []operation {
	const list, one = "/routes", "/routes/:pattern"
	return []operation{
		{http.MethodGet, list, "listRoutes", account.RoleViewer, listQuery, a.listRoutes},
		{http.MethodPost, list, "writeRoutes", account.RoleAdmin, bulkQuery, a.writeRoutes},
		{http.MethodGet, one, "getRoute", account.RoleViewer, nil, a.getRoute},
		{http.MethodPut, one, "replaceRoute", account.RoleAdmin, writeQuery, a.replaceRoute},
		{http.MethodPatch, one, "patchRoute", account.RoleAdmin, writeQuery, a.patchRoute},
		{http.MethodDelete, one, "deleteRoute", account.RoleAdmin, writeQuery, a.deleteRoute},
	}
}

// listRoutes godoc
//
//	@Summary	List the routes
//	@ID		listRoutes
//	@Tags		Sending
//	@Success	200	{object}	Page[Route]
//	@Router		/routes [get]
//	@x-shape	"list"
//	@x-also		["text/csv"]
//	@x-role	"viewer"
func (a *API) listRoutes(c echo.Context) error { return a.mailRoutes.list(c) }

// getRoute godoc
//
//	@Summary	Show a route
//	@ID		getRoute
//	@Tags		Sending
//	@Param		pattern	path	string	true	"Domain name, .suffix or ALL"
//	@Success	200	{object}	Route
//	@Router		/routes/{pattern} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getRoute(c echo.Context) error { return a.mailRoutes.get(c) }

// replaceRoute godoc
//
//	@Summary	Create or replace a route
//	@ID		replaceRoute
//	@Tags		Sending
//	@Param		pattern	path	string	true	"Domain name, .suffix or ALL"
//	@Param		body	body	Route	true	"The whole route; what is left out gets its default"
//	@Success	200	{object}	Route
//	@Success	201	{object}	Route
//	@Router		/routes/{pattern} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceRoute(c echo.Context) error { return a.mailRoutes.put(c) }

// patchRoute godoc
//
//	@Summary	Change a route
//	@ID		patchRoute
//	@Tags		Sending
//	@Accept	application/merge-patch+json
//	@Param		pattern	path	string	true	"Domain name, .suffix or ALL"
//	@Param		body	body	Route	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	Route
//	@Router		/routes/{pattern} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchRoute(c echo.Context) error { return a.mailRoutes.patch(c) }

// deleteRoute godoc
//
//	@Summary	Delete a route
//	@ID		deleteRoute
//	@Tags		Sending
//	@Param		pattern	path	string	true	"Domain name, .suffix or ALL"
//	@Success	204
//	@Router		/routes/{pattern} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteRoute(c echo.Context) error { return a.mailRoutes.delete(c) }

// writeRoutes godoc
//
//	@Summary		Write many routes in one commit
//	@Description	The body is a document a line, or CSV whose first row names the columns, which are the members of the document; GET with Accept: text/csv gives a table to begin with. A cell is a text, or JSON where the member is none; an empty one stands for an absent member. All rows are written or none; every fault has its line, and the first 1000 are listed. The body may have 64 MiB and 200000 rows, two such writes may be under way. With Prefer: respond-async a job does it, whose result is this one.
//	@ID				writeRoutes
//	@Tags			Sending
//	@Accept			application/x-ndjson,text/csv
//	@Param			mode	query		string	false	"upsert leaves items alone that the table does not have, replace deletes them"	Enums(upsert, replace)
//	@Param			Prefer	header		string	false	"respond-async begins a job"
//	@Param			body	body		string	true	"The rows"
//	@Success		200		{object}	BulkResult
//	@Success		202		{object}	Job
//	@Router			/routes [post]
//	@x-shape		"bulk"
//	@x-role			"admin"
func (a *API) writeRoutes(c echo.Context) error { return a.mailRoutes.writeBulk(c) }
