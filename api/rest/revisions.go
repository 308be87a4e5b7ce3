package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
)

// Revisions reads the history of the configuration, and rolls it back.
type Revisions interface {
	Revision(ctx context.Context, number int64) (config.Revision, error)
	Revisions(ctx context.Context, before int64, limit int) ([]config.Revision, error)
	Rollback(ctx context.Context, number int64, author, comment string) (config.Result, error)
}

// Revision is a committed change of the configuration (B69).
type Revision struct {
	// Number counts up from 1.
	Number int64 `json:"number"`
	// Author is who made the change.
	Author string `json:"author"`
	// Comment is what the author said about it.
	Comment string `json:"comment"`
	// CommittedAt is when.
	CommittedAt time.Time `json:"committed_at" format:"date-time"`
	// Edits are the items that changed; lists leave them out.
	Edits []RevisionEdit `json:"edits,omitempty"`
}

// RevisionEdit is what a revision did to one configuration item.
type RevisionEdit struct {
	// Kind of the item, as destination_control.
	Kind string `json:"kind"`
	// Key of the item: its name, its pattern, or the section of the settings.
	Key string `json:"key"`
	// Before is the item before the revision; absent where the revision created it.
	Before json.RawMessage `json:"before,omitempty" swaggertype:"object"`
	// After is the item after the revision; absent where the revision deleted it.
	After json.RawMessage `json:"after,omitempty" swaggertype:"object"`
}

// RevisionDiff is what a revision changed, value by value.
type RevisionDiff struct {
	// Number of the revision.
	Number int64 `json:"number"`
	// Items are the items that changed.
	Items []ItemDiff `json:"items"`
}

// ItemDiff is what changed in one configuration item.
type ItemDiff struct {
	// Kind of the item, as destination_control.
	Kind string `json:"kind"`
	// Key of the item.
	Key string `json:"key"`
	// Action says what became of the item.
	Action string `json:"action" enums:"created,changed,deleted"`
	// Changes are the values that differ.
	Changes []ValueDiff `json:"changes"`
}

// ValueDiff is one value that differs between two documents.
type ValueDiff struct {
	// Pointer says where the value stands in the document (RFC 6901).
	Pointer string `json:"pointer"`
	// Before is the old value; absent where there was none.
	Before any `json:"before,omitempty"`
	// After is the new value; absent where there is none.
	After any `json:"after,omitempty"`
}

func (a *API) revisionsOperations() []operation {
	const list, one = "/revisions", "/revisions/:number"
	return []operation{
		{http.MethodGet, list, "listRevisions", account.RoleViewer, listQuery, a.listRevisions},
		{http.MethodGet, one, "getRevision", account.RoleViewer, nil, a.getRevision},
		{http.MethodGet, one + "/diff", "getRevisionDiff", account.RoleViewer, nil, a.getRevisionDiff},
		{http.MethodPost, one + "/rollback", "rollBackRevision", account.RoleAdmin, writeQuery, a.rollBackRevision},
	}
}

// listRevisions godoc
//
//	@Summary	List the revisions of the configuration, newest first
//	@ID			listRevisions
//	@Tags		Changes
//	@Success	200	{object}	Page[Revision]
//	@Router		/revisions [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listRevisions(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	before, err := numberAfter(p)
	if err != nil {
		return err
	}
	found, err := a.revisions.Revisions(c.Request().Context(), before, p.limit+1)
	if err != nil {
		return err
	}
	key := func(r config.Revision) string { return strconv.FormatInt(r.Number, 10) }
	return writePage(c, p, found, key, func(r config.Revision) (Revision, error) { return showRevision(r), nil })
}

// numberAfter reads the key of a cursor that is a number; 0 without a cursor.
func numberAfter(p pageRequest) (int64, error) {
	if p.after == "" {
		return 0, nil
	}
	number, err := strconv.ParseInt(p.after, 10, 64)
	if err != nil || number < 1 {
		return 0, badQuery("cursor", "is not one that this list gave out")
	}
	return number, nil
}

func showRevision(r config.Revision) Revision {
	shown := Revision{Number: r.Number, Author: r.Author, Comment: r.Comment, CommittedAt: r.At.UTC()}
	for _, e := range r.Edits {
		shown.Edits = append(shown.Edits, RevisionEdit{Kind: string(e.Kind), Key: e.Key, Before: e.Before, After: e.After})
	}
	return shown
}

// getRevision godoc
//
//	@Summary	Show a revision with the items that it changed
//	@ID			getRevision
//	@Tags		Changes
//	@Param		number	path		int	true	"Number of the revision"	minimum(1)
//	@Success	200		{object}	Revision
//	@Failure	404		{object}	Problem
//	@Router		/revisions/{number} [get]
//	@x-role		"viewer"
func (a *API) getRevision(c echo.Context) error {
	r, err := a.namedRevision(c)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showRevision(r))
}

// getRevisionDiff godoc
//
//	@Summary	Show what a revision changed, value by value
//	@ID			getRevisionDiff
//	@Tags		Changes
//	@Param		number	path		int	true	"Number of the revision"	minimum(1)
//	@Success	200		{object}	RevisionDiff
//	@Failure	404		{object}	Problem
//	@Router		/revisions/{number}/diff [get]
//	@x-role		"viewer"
func (a *API) getRevisionDiff(c echo.Context) error {
	r, err := a.namedRevision(c)
	if err != nil {
		return err
	}
	diff := RevisionDiff{Number: r.Number, Items: []ItemDiff{}}
	for _, e := range r.Edits {
		item, err := diffItem(e)
		if err != nil {
			return err
		}
		diff.Items = append(diff.Items, item)
	}
	return reply(c, http.StatusOK, diff)
}

func (a *API) namedRevision(c echo.Context) (config.Revision, error) {
	number, err := revisionNumber(c)
	if err != nil {
		return config.Revision{}, err
	}
	return a.revisions.Revision(c.Request().Context(), number)
}

func revisionNumber(c echo.Context) (int64, error) {
	number, err := strconv.ParseInt(c.Param("number"), 10, 64)
	if err != nil || number < 1 {
		return 0, domain.E(domain.NotFound, "revisions have numbers from 1")
	}
	return number, nil
}

// rollBackRevision godoc
//
//	@Summary		Make the configuration what it was at a revision
//	@Description	The roll back is a new revision of its own. Certificates are not configuration and stay as they are (B70).
//	@ID				rollBackRevision
//	@Tags			Changes
//	@Param			number	path		int	true	"Number of the revision to return to"	minimum(1)
//	@Success		200		{object}	Revision
//	@Failure		409		{object}	Problem
//	@Router			/revisions/{number}/rollback [post]
//	@x-shape		"change"
//	@x-role			"admin"
func (a *API) rollBackRevision(c echo.Context) error {
	number, err := revisionNumber(c)
	if err != nil {
		return err
	}
	result, err := a.change(c, func(ctx context.Context, author, comment string) (config.Result, error) {
		return a.revisions.Rollback(ctx, number, author, comment)
	})
	if err != nil {
		return err
	}
	made, err := a.revisions.Revision(c.Request().Context(), result.Revision)
	if err != nil {
		return err
	}
	return replyWritten(c, http.StatusOK, showRevision(made), result.Warnings)
}
