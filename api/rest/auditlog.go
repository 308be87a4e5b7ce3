package rest

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/audit"
)

// AuditEntry is one entry of the audit log. A call has two: it is announced
// before it does anything, and its outcome follows. Entries never change.
type AuditEntry struct {
	// Number counts the entries from 1, without gaps.
	Number int64 `json:"number" validate:"required"`
	// At is when it was written.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// Phase is begun for the announcement, finished for the outcome, and refused for calls that were turned away.
	Phase audit.Phase `json:"phase" validate:"required" swaggertype:"string" enums:"begun,finished,refused"`
	// Begun is the number of the announcement, in an outcome.
	Begun int64 `json:"begun,omitempty"`
	// Actor is who called: an administrator, or token: and its name; of a failed log-in the name that was claimed.
	Actor string `json:"actor,omitempty"`
	// SourceAddress is the IP address that the call came from, or its /64.
	SourceAddress string `json:"source_address,omitempty"`
	// Interface is the way in.
	Interface audit.Interface `json:"interface" validate:"required" swaggertype:"string" enums:"rest,xmlrpc,command_line,gateway"`
	// RequestID finds the call in the log of requests.
	RequestID string `json:"request_id,omitempty"`
	// Operation is the operationId, the method of XML-RPC, or the command.
	Operation string `json:"operation" validate:"required"`
	// Target is the path with its query, or what stands for it.
	Target string `json:"target,omitempty"`
	// Status is the HTTP status, of XML-RPC the fault code; absent while begun.
	Status int `json:"status,omitempty"`
	// Count is how many calls the entry stands for: repeated refusals become one entry.
	Count int64 `json:"count" validate:"required"`
	// Revision is that of the configuration which the call made.
	Revision int64 `json:"revision,omitempty"`
	// Request is what was asked, without secrets: an object, unless the body was another value.
	Request json.RawMessage `json:"request,omitempty" swaggertype:"object" extensions:"x-any-value"`
	// Before is what the thing was, without secrets.
	Before json.RawMessage `json:"before,omitempty" swaggertype:"object"`
	// After is what it became, without secrets. Where a request with an Idempotency-Key was answered as the first time, and nothing was done, it is idempotency_replayed.
	After json.RawMessage `json:"after,omitempty" swaggertype:"object"`
	// Hash ties the entry to all before it: SHA-256 in hexadecimal.
	Hash string `json:"hash" validate:"required"`
}

// AuditPlace is a place in the chain of the audit log.
type AuditPlace struct {
	// Number is that of an entry; 0 where there is none.
	Number int64 `json:"number" validate:"required"`
	// Hash is that of the entry.
	Hash string `json:"hash" validate:"required"`
}

// AuditVerification is what came of following the whole chain.
type AuditVerification struct {
	// Intact is false where an entry was altered, removed or put in.
	Intact bool `json:"intact" validate:"required"`
	// Entries is how many were found as they were written.
	Entries int64 `json:"entries" validate:"required"`
	// BrokenAt is the number of the first entry that is not as it was written; absent where none can be named.
	BrokenAt int64 `json:"broken_at,omitempty"`
	// Reason says what is wrong there.
	Reason string `json:"reason,omitempty"`
	// Anchor is the newest entry. Kept elsewhere, it proves later that nothing up to it was altered.
	Anchor AuditPlace `json:"anchor" validate:"required"`
	// Pruned is the last entry that was removed because of its age.
	Pruned AuditPlace `json:"pruned" validate:"required"`
}

// verifyAuditLogOperation must answer above all when the log was tampered with and
// nothing can be written into it. It reveals nothing else, so it is not audited.
const verifyAuditLogOperation = "verifyAuditLog"

func (a *API) auditLogOperations() []operation {
	const list = "/audit-log"
	query := []string{"limit", "cursor", "actor", "operation", "target", "source_address", "phase", "since", "until", "sort"}
	return []operation{
		{http.MethodGet, list, "listAuditLog", account.RoleAdmin, query, a.listAuditLog},
		{http.MethodGet, list + "/verification", verifyAuditLogOperation, account.RoleAdmin, nil, a.verifyAuditLog},
	}
}

// listAuditLog godoc
//
//	@Summary		List the audit log, newest first
//	@Description	Every call that changes something, or reveals more than a viewer sees, and every failed log-in. The log cannot be changed by any call; entries go when they are 400 days old. Reading it is a call that reveals, and is in it.
//	@ID				listAuditLog
//	@Tags			Accounts
//	@Param			actor			query		string	false	"Only calls of this administrator or token"
//	@Param			operation		query		string	false	"Only calls of this operation, method or command"
//	@Param			target			query		string	false	"Only calls whose target begins so"
//	@Param			source_address	query		string	false	"Only calls from this address"
//	@Param			phase			query		string	false	"Only entries of this phase"	Enums(begun, finished, refused)
//	@Param			since			query		string	false	"Only entries of this time or later"	Format(date-time)
//	@Param			until			query		string	false	"Only entries before this time"	Format(date-time)
//	@Param			sort			query		string	false	"Oldest first, or with a minus newest first, as without it"	Enums(number, -number)
//	@Success		200				{object}	Page[AuditEntry]
//	@Router			/audit-log [get]
//	@x-shape		"list"
//	@x-role			"admin"
func (a *API) listAuditLog(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	query, err := auditQueryOf(c, p)
	if err != nil {
		return err
	}
	found, err := a.audit.List(c.Request().Context(), query)
	if err != nil {
		return err
	}
	key := func(e audit.Entry) string { return strconv.FormatInt(e.Number, 10) }
	return writePage(c, p, found, key, func(e audit.Entry) (AuditEntry, error) { return showAuditEntry(e), nil })
}

func auditQueryOf(c echo.Context, p pageRequest) (q audit.Query, err error) {
	q = audit.Query{
		Actor: c.QueryParam("actor"), Operation: c.QueryParam("operation"), Target: c.QueryParam("target"),
		From: c.QueryParam("source_address"), Phase: audit.Phase(c.QueryParam("phase")), Limit: p.limit + 1,
	}
	switch q.Phase {
	case "", audit.Begun, audit.Finished, audit.Refused:
	default:
		return q, badQuery("phase", "must be begun, finished or refused")
	}
	descending, err := sortParam(c, "number", true)
	if err != nil {
		return q, err
	}
	q.OldestFirst = !descending
	if p.after != "" {
		from, err := strconv.ParseInt(p.after, 10, 64)
		if err != nil {
			return q, badQuery("cursor", "is not one that this list gave out")
		}
		if q.Before = from; q.OldestFirst {
			q.Before, q.After = 0, from
		}
	}
	if q.Since, err = timeParam(c, "since"); err != nil {
		return q, err
	}
	q.Until, err = timeParam(c, "until")
	return q, err
}

func showAuditEntry(e audit.Entry) AuditEntry {
	return AuditEntry{
		Number: e.Number, At: e.At, Phase: e.Phase, Begun: e.Begun, Actor: e.Actor, SourceAddress: e.From,
		Interface: e.Interface, RequestID: e.RequestID, Operation: e.Operation, Target: e.Target,
		Status: e.Status, Count: e.Count, Revision: e.Revision,
		Request: asked(e.Request), Before: e.Before, After: e.After, Hash: hex.EncodeToString(e.Hash[:]),
	}
}

// asked leaves out a request that was null: nothing.
func asked(request json.RawMessage) json.RawMessage {
	if string(request) == "null" {
		return nil
	}
	return request
}

// verifyAuditLog godoc
//
//	@Summary		Verify the audit log
//	@Description	Follows the chain of hashes from the oldest entry to the newest and names the first that was altered, removed or put in by hand.
//	@ID				verifyAuditLog
//	@Tags			Accounts
//	@Success		200	{object}	AuditVerification
//	@Router			/audit-log/verification [get]
//	@x-role			"admin"
func (a *API) verifyAuditLog(c echo.Context) error {
	v, err := a.audit.Verify(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, AuditVerification{
		Intact: v.Intact(), Entries: v.Entries, BrokenAt: v.Broken, Reason: v.Reason,
		Anchor: showAuditPlace(v.Anchor), Pruned: showAuditPlace(v.Pruned),
	})
}

func showAuditPlace(e audit.End) AuditPlace {
	return AuditPlace{Number: e.Number, Hash: hex.EncodeToString(e.Hash[:])}
}
