package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// STARTTLSExemption is an entry of the list of those with whom STARTTLS is never used: towards them outbound, by them inbound (B25).
type STARTTLSExemption struct {
	// Pattern is an IP address, a CIDR prefix, a host or domain name, or ".example.com" for everything below it.
	Pattern mailaddr.EndpointPattern `json:"pattern" swaggertype:"string"`
	// Reason says why the entry exists.
	Reason string `json:"reason" maxLength:"1000"`
	// Expires is when the entry ends by itself; absent: never.
	Expires *time.Time `json:"expires,omitempty" format:"date-time"`
	// OverrideRemotePolicy lets the entry win over MTA-STS and DANE, never over REQUIRETLS (B26).
	OverrideRemotePolicy bool `json:"override_remote_policy,omitempty"`
}

// STARTTLSRequirement is an entry of the list of hosts to which mail goes encrypted or not at all (B25).
type STARTTLSRequirement struct {
	// Pattern is an IP address, a CIDR prefix, a host name, or ".example.com" for every host below it.
	Pattern mailaddr.EndpointPattern `json:"pattern" swaggertype:"string"`
	// Reason says why the entry exists.
	Reason string `json:"reason" maxLength:"1000"`
	// Expires is when the entry ends by itself; absent: never.
	Expires *time.Time `json:"expires,omitempty" format:"date-time"`
	// BounceAtOnce bounces mail instead of deferring it when TLS fails (B28).
	BounceAtOnce bool `json:"bounce_at_once,omitempty"`
}

func newSTARTTLSExemptions(a *API) resource[STARTTLSExemption] {
	return resource[STARTTLSExemption]{
		api: a, kind: config.KindSTARTTLSExemption, param: "pattern", key: endpointPatternKey,
		read: func(key string, e STARTTLSExemption) config.Value {
			return policy.STARTTLSEntry{
				Pattern: endpointOr(e.Pattern, key), Reason: e.Reason, Expires: e.Expires,
				OverrideRemotePolicy: e.OverrideRemotePolicy,
			}
		},
		show: func(v config.Value) STARTTLSExemption { return showExemption(v.(policy.STARTTLSEntry)) },
	}
}

func showExemption(e policy.STARTTLSEntry) STARTTLSExemption {
	return STARTTLSExemption{e.Pattern, e.Reason, e.Expires, e.OverrideRemotePolicy}
}

func newSTARTTLSRequirements(a *API) resource[STARTTLSRequirement] {
	return resource[STARTTLSRequirement]{
		api: a, kind: config.KindSTARTTLSRequirement, param: "pattern", key: endpointPatternKey,
		read: func(key string, e STARTTLSRequirement) config.Value {
			return policy.STARTTLSEntry{
				Pattern: endpointOr(e.Pattern, key), Reason: e.Reason, Expires: e.Expires,
				BounceAtOnce: e.BounceAtOnce,
			}
		},
		show: func(v config.Value) STARTTLSRequirement {
			e := v.(policy.STARTTLSEntry)
			return STARTTLSRequirement{e.Pattern, e.Reason, e.Expires, e.BounceAtOnce}
		},
	}
}

// endpointPatternKey is the canonical form of a list entry in a path.
func endpointPatternKey(name string) (string, error) {
	pattern, err := mailaddr.ParseEndpointPattern(name)
	return pattern.String(), err
}

// endpointOr returns the pattern; where the document had none, that of the key.
func endpointOr(pattern mailaddr.EndpointPattern, key string) mailaddr.EndpointPattern {
	if pattern.String() == "" {
		pattern, _ = mailaddr.ParseEndpointPattern(key) // the key came from a pattern
	}
	return pattern
}

func (a *API) starttlsExemptionsOperations() []operation {
	const list, one = "/starttls-exemptions", "/starttls-exemptions/:pattern"
	return []operation{
		{http.MethodGet, list, "listStarttlsExemptions", account.RoleViewer, listQuery, a.listStarttlsExemptions},
		{http.MethodPost, list, "writeSTARTTLSExemptions", account.RoleAdmin, bulkQuery, a.writeSTARTTLSExemptions},
		{http.MethodGet, one, "getSTARTTLSExemption", account.RoleViewer, nil, a.getSTARTTLSExemption},
		{http.MethodPut, one, "replaceSTARTTLSExemption", account.RoleAdmin, writeQuery, a.replaceSTARTTLSExemption},
		{http.MethodPatch, one, "patchSTARTTLSExemption", account.RoleAdmin, writeQuery, a.patchSTARTTLSExemption},
		{http.MethodDelete, one, "deleteSTARTTLSExemption", account.RoleAdmin, writeQuery, a.deleteSTARTTLSExemption},
	}
}

// listStarttlsExemptions godoc
//
//	@Summary	List the STARTTLS exemptions
//	@ID		listStarttlsExemptions
//	@Tags		STARTTLS lists
//	@Success	200	{object}	Page[STARTTLSExemption]
//	@Router		/starttls-exemptions [get]
//	@x-shape	"list"
//	@x-also		["text/csv"]
//	@x-role	"viewer"
func (a *API) listStarttlsExemptions(c echo.Context) error { return a.starttlsExemptions.list(c) }

// getSTARTTLSExemption godoc
//
//	@Summary	Show a STARTTLS exemption
//	@ID		getSTARTTLSExemption
//	@Tags		STARTTLS lists
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Success	200	{object}	STARTTLSExemption
//	@Router		/starttls-exemptions/{pattern} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getSTARTTLSExemption(c echo.Context) error { return a.starttlsExemptions.get(c) }

// replaceSTARTTLSExemption godoc
//
//	@Summary	Create or replace a STARTTLS exemption
//	@ID		replaceSTARTTLSExemption
//	@Tags		STARTTLS lists
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Param		body	body	STARTTLSExemption	true	"The whole STARTTLS exemption; what is left out gets its default"
//	@Success	200	{object}	STARTTLSExemption
//	@Success	201	{object}	STARTTLSExemption
//	@Router		/starttls-exemptions/{pattern} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceSTARTTLSExemption(c echo.Context) error { return a.starttlsExemptions.put(c) }

// patchSTARTTLSExemption godoc
//
//	@Summary	Change a STARTTLS exemption
//	@ID		patchSTARTTLSExemption
//	@Tags		STARTTLS lists
//	@Accept	application/merge-patch+json
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Param		body	body	STARTTLSExemption	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	STARTTLSExemption
//	@Router		/starttls-exemptions/{pattern} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchSTARTTLSExemption(c echo.Context) error { return a.starttlsExemptions.patch(c) }

// deleteSTARTTLSExemption godoc
//
//	@Summary	Delete a STARTTLS exemption
//	@ID		deleteSTARTTLSExemption
//	@Tags		STARTTLS lists
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Success	204
//	@Router		/starttls-exemptions/{pattern} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteSTARTTLSExemption(c echo.Context) error { return a.starttlsExemptions.delete(c) }

func (a *API) starttlsRequirementsOperations() []operation {
	const list, one = "/starttls-requirements", "/starttls-requirements/:pattern"
	return []operation{
		{http.MethodGet, list, "listStarttlsRequirements", account.RoleViewer, listQuery, a.listStarttlsRequirements},
		{http.MethodPost, list, "writeSTARTTLSRequirements", account.RoleAdmin, bulkQuery, a.writeSTARTTLSRequirements},
		{http.MethodGet, one, "getSTARTTLSRequirement", account.RoleViewer, nil, a.getSTARTTLSRequirement},
		{http.MethodPut, one, "replaceSTARTTLSRequirement", account.RoleAdmin, writeQuery, a.replaceSTARTTLSRequirement},
		{http.MethodPatch, one, "patchSTARTTLSRequirement", account.RoleAdmin, writeQuery, a.patchSTARTTLSRequirement},
		{http.MethodDelete, one, "deleteSTARTTLSRequirement", account.RoleAdmin, writeQuery, a.deleteSTARTTLSRequirement},
	}
}

// listStarttlsRequirements godoc
//
//	@Summary	List the STARTTLS requirements
//	@ID		listStarttlsRequirements
//	@Tags		STARTTLS lists
//	@Success	200	{object}	Page[STARTTLSRequirement]
//	@Router		/starttls-requirements [get]
//	@x-shape	"list"
//	@x-also		["text/csv"]
//	@x-role	"viewer"
func (a *API) listStarttlsRequirements(c echo.Context) error { return a.starttlsRequirements.list(c) }

// getSTARTTLSRequirement godoc
//
//	@Summary	Show a STARTTLS requirement
//	@ID		getSTARTTLSRequirement
//	@Tags		STARTTLS lists
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Success	200	{object}	STARTTLSRequirement
//	@Router		/starttls-requirements/{pattern} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getSTARTTLSRequirement(c echo.Context) error { return a.starttlsRequirements.get(c) }

// replaceSTARTTLSRequirement godoc
//
//	@Summary	Create or replace a STARTTLS requirement
//	@ID		replaceSTARTTLSRequirement
//	@Tags		STARTTLS lists
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Param		body	body	STARTTLSRequirement	true	"The whole STARTTLS requirement; what is left out gets its default"
//	@Success	200	{object}	STARTTLSRequirement
//	@Success	201	{object}	STARTTLSRequirement
//	@Router		/starttls-requirements/{pattern} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceSTARTTLSRequirement(c echo.Context) error { return a.starttlsRequirements.put(c) }

// patchSTARTTLSRequirement godoc
//
//	@Summary	Change a STARTTLS requirement
//	@ID		patchSTARTTLSRequirement
//	@Tags		STARTTLS lists
//	@Accept	application/merge-patch+json
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Param		body	body	STARTTLSRequirement	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	STARTTLSRequirement
//	@Router		/starttls-requirements/{pattern} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchSTARTTLSRequirement(c echo.Context) error { return a.starttlsRequirements.patch(c) }

// deleteSTARTTLSRequirement godoc
//
//	@Summary	Delete a STARTTLS requirement
//	@ID		deleteSTARTTLSRequirement
//	@Tags		STARTTLS lists
//	@Param		pattern	path	string	true	"Address, prefix, name or .suffix; write / as %2F"
//	@Success	204
//	@Router		/starttls-requirements/{pattern} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteSTARTTLSRequirement(c echo.Context) error {
	return a.starttlsRequirements.delete(c)
}

// writeSTARTTLSExemptions godoc
//
//	@Summary		Write many STARTTLS exemptions in one commit
//	@Description	The body is a document a line, or CSV whose first row names the columns, which are the members of the document; GET with Accept: text/csv gives a table to begin with. A cell is a text, or JSON where the member is none; an empty one stands for an absent member. All rows are written or none; every fault has its line, and the first 1000 are listed. The body may have 64 MiB and 200000 rows, two such writes may be under way. With Prefer: respond-async a job does it, whose result is this one.
//	@ID				writeSTARTTLSExemptions
//	@Tags			STARTTLS lists
//	@Accept			application/x-ndjson,text/csv
//	@Param			mode	query		string	false	"upsert leaves items alone that the table does not have, replace deletes them"	Enums(upsert, replace)
//	@Param			Prefer	header		string	false	"respond-async begins a job"
//	@Param			body	body		string	true	"The rows"
//	@Success		200		{object}	BulkResult
//	@Success		202		{object}	Job
//	@Router			/starttls-exemptions [post]
//	@x-shape		"bulk"
//	@x-role			"admin"
func (a *API) writeSTARTTLSExemptions(c echo.Context) error { return a.starttlsExemptions.writeBulk(c) }

// writeSTARTTLSRequirements godoc
//
//	@Summary		Write many STARTTLS requirements in one commit
//	@Description	The body is a document a line, or CSV whose first row names the columns, which are the members of the document; GET with Accept: text/csv gives a table to begin with. A cell is a text, or JSON where the member is none; an empty one stands for an absent member. All rows are written or none; every fault has its line, and the first 1000 are listed. The body may have 64 MiB and 200000 rows, two such writes may be under way. With Prefer: respond-async a job does it, whose result is this one.
//	@ID				writeSTARTTLSRequirements
//	@Tags			STARTTLS lists
//	@Accept			application/x-ndjson,text/csv
//	@Param			mode	query		string	false	"upsert leaves items alone that the table does not have, replace deletes them"	Enums(upsert, replace)
//	@Param			Prefer	header		string	false	"respond-async begins a job"
//	@Param			body	body		string	true	"The rows"
//	@Success		200		{object}	BulkResult
//	@Success		202		{object}	Job
//	@Router			/starttls-requirements [post]
//	@x-shape		"bulk"
//	@x-role			"admin"
func (a *API) writeSTARTTLSRequirements(c echo.Context) error {
	return a.starttlsRequirements.writeBulk(c)
}
