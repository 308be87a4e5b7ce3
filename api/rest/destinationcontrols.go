package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// DestinationControl says how mail for a recipient domain leaves (B21). What is absent is inherited from the entry "default".
type DestinationControl struct {
	// Pattern is a domain name, ".example.com" for everything below it, or "default"; the longest one that matches decides.
	Pattern mailaddr.HostPattern `json:"pattern" swaggertype:"string"`
	// TLSLevel is how much TLS the destination needs (B22).
	TLSLevel *policy.TLSLevel `json:"tls_level,omitempty" swaggertype:"string" enums:"none,preferred,preferred_verify,required,required_verify,required_verify_hosted"`
	// DANE says what is done with the destination's TLSA records (B63).
	DANE policy.DANEMode `json:"dane,omitempty" swaggertype:"string" enums:"off,opportunistic,mandatory"`
	// MinVersion is the lowest TLS version that is accepted from the destination.
	MinVersion policy.TLSVersion `json:"min_tls_version,omitempty" swaggertype:"string" enums:"1.0,1.1,1.2,1.3"`
	// MaxConnections is how many connections to the destination are open at a time.
	MaxConnections int `json:"max_connections,omitempty" minimum:"0" maximum:"1000"`
	// MessagesPerConnection is how many messages go over one connection.
	MessagesPerConnection int `json:"messages_per_connection,omitempty" minimum:"0" maximum:"1000000"`
	// RecipientRate is how many recipients of the destination are tried in how many minutes; zero recipients lift an inherited limit.
	RecipientRate *policy.RecipientRate `json:"recipients_per_minutes,omitempty"`
	// LimitPer says what the limits on connections and recipients are for: all mail of a recipient domain, or each address of its hosts.
	LimitPer policy.LimitScope `json:"limit_per,omitempty" swaggertype:"string" enums:"domain,mx_address"`
	// BounceAtOnce bounces mail instead of deferring it when mandatory TLS fails (B28).
	BounceAtOnce bool `json:"bounce_at_once,omitempty"`
	// ReportOnly is whether tls_level does not act but has counted what it would have held back; mail leaves as if tls_level were absent (B72).
	ReportOnly bool `json:"report_only,omitempty"`
	// OverrideRemotePolicy lifts what the domain demands by MTA-STS and DANE, never REQUIRETLS (B26).
	OverrideRemotePolicy *policy.Override `json:"override_remote_policy,omitempty"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
}

func newDestinationControls(a *API) resource[DestinationControl] {
	return resource[DestinationControl]{
		api: a, kind: config.KindDestinationControl, param: "pattern", key: hostPatternKey,
		read: func(key string, d DestinationControl) config.Value {
			d.Pattern = patternOr(d.Pattern, key)
			return policy.DestinationControl(d)
		},
		show: func(v config.Value) DestinationControl { return DestinationControl(v.(policy.DestinationControl)) },
	}
}

// hostPatternKey is the canonical form of a pattern in a path.
func hostPatternKey(name string) (string, error) {
	pattern, err := mailaddr.ParseHostPattern(name)
	return pattern.String(), err
}

// patternOr returns the pattern; where the document had none, that of the key.
func patternOr(pattern mailaddr.HostPattern, key string) mailaddr.HostPattern {
	if pattern.String() == "" {
		pattern, _ = mailaddr.ParseHostPattern(key) // the key came from a pattern
	}
	return pattern
}

func (a *API) destinationControlsOperations() []operation {
	const list, one = "/destination-controls", "/destination-controls/:pattern"
	return []operation{
		{http.MethodGet, list, "listDestinationControls", account.RoleViewer, listQuery, a.listDestinationControls},
		{http.MethodPost, list, "writeDestinationControls", account.RoleAdmin, bulkQuery, a.writeDestinationControls},
		{http.MethodGet, one, "getDestinationControl", account.RoleViewer, nil, a.getDestinationControl},
		{http.MethodPut, one, "replaceDestinationControl", account.RoleAdmin, writeQuery, a.replaceDestinationControl},
		{http.MethodPatch, one, "patchDestinationControl", account.RoleAdmin, writeQuery, a.patchDestinationControl},
		{http.MethodDelete, one, "deleteDestinationControl", account.RoleAdmin, writeQuery, a.deleteDestinationControl},
	}
}

// listDestinationControls godoc
//
//	@Summary	List the destination controls
//	@ID		listDestinationControls
//	@Tags		Sending
//	@Success	200	{object}	Page[DestinationControl]
//	@Router		/destination-controls [get]
//	@x-shape	"list"
//	@x-also		["text/csv"]
//	@x-role	"viewer"
func (a *API) listDestinationControls(c echo.Context) error { return a.destinationControls.list(c) }

// getDestinationControl godoc
//
//	@Summary	Show a destination control
//	@ID		getDestinationControl
//	@Tags		Sending
//	@Param		pattern	path	string	true	"Domain name, .suffix or default"
//	@Success	200	{object}	DestinationControl
//	@Router		/destination-controls/{pattern} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getDestinationControl(c echo.Context) error { return a.destinationControls.get(c) }

// replaceDestinationControl godoc
//
//	@Summary	Create or replace a destination control
//	@ID		replaceDestinationControl
//	@Tags		Sending
//	@Param		pattern	path	string	true	"Domain name, .suffix or default"
//	@Param		body	body	DestinationControl	true	"The whole destination control; what is left out gets its default"
//	@Success	200	{object}	DestinationControl
//	@Success	201	{object}	DestinationControl
//	@Router		/destination-controls/{pattern} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceDestinationControl(c echo.Context) error { return a.destinationControls.put(c) }

// patchDestinationControl godoc
//
//	@Summary	Change a destination control
//	@ID		patchDestinationControl
//	@Tags		Sending
//	@Accept	application/merge-patch+json
//	@Param		pattern	path	string	true	"Domain name, .suffix or default"
//	@Param		body	body	DestinationControl	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	DestinationControl
//	@Router		/destination-controls/{pattern} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchDestinationControl(c echo.Context) error { return a.destinationControls.patch(c) }

// deleteDestinationControl godoc
//
//	@Summary	Delete a destination control
//	@ID		deleteDestinationControl
//	@Tags		Sending
//	@Param		pattern	path	string	true	"Domain name, .suffix or default"
//	@Success	204
//	@Router		/destination-controls/{pattern} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteDestinationControl(c echo.Context) error { return a.destinationControls.delete(c) }

// writeDestinationControls godoc
//
//	@Summary		Write many destination controls in one commit
//	@Description	The body is a document a line, or CSV whose first row names the columns, which are the members of the document; GET with Accept: text/csv gives a table to begin with. A cell is a text, or JSON where the member is none; an empty one stands for an absent member. All rows are written or none; every fault has its line, and the first 1000 are listed. The body may have 64 MiB and 200000 rows, two such writes may be under way. With Prefer: respond-async a job does it, whose result is this one.
//	@ID				writeDestinationControls
//	@Tags			Sending
//	@Accept			application/x-ndjson,text/csv
//	@Param			mode	query		string	false	"upsert leaves items alone that the table does not have, replace deletes them"	Enums(upsert, replace)
//	@Param			Prefer	header		string	false	"respond-async begins a job"
//	@Param			body	body		string	true	"The rows"
//	@Success		200		{object}	BulkResult
//	@Success		202		{object}	Job
//	@Router			/destination-controls [post]
//	@x-shape		"bulk"
//	@x-role			"admin"
func (a *API) writeDestinationControls(c echo.Context) error {
	return a.destinationControls.writeBulk(c)
}
