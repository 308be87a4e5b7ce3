package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
)

// Changes keeps the drafts of the configuration (B69).
type Changes interface {
	Open(ctx context.Context, author, comment string) (config.Draft, error)
	Draft(ctx context.Context, id string) (config.Draft, error)
	List(ctx context.Context, q config.DraftQuery) ([]config.Draft, error)
	Describe(ctx context.Context, id, comment string, match func(config.Draft) error) (config.Draft, error)
	Discard(ctx context.Context, id string) (config.Draft, error)
}

// ChangeCommits shows what drafts would do, and does it.
type ChangeCommits interface {
	View(ctx context.Context, id string) (*config.DraftView, error)
	Diff(ctx context.Context, id string) (config.DraftDiff, error)
	Validate(ctx context.Context, id string) (config.DraftReport, error)
	Commit(ctx context.Context, id string, act config.Act) (config.Result, error)
	Rebase(ctx context.Context, id string, seen int64) (config.Draft, error)
}

var (
	_ Changes       = (*config.Drafts)(nil)
	_ ChangeCommits = (*config.Drafts)(nil)
	_ Configuration = (*config.DraftView)(nil)
)

// Change is a draft: a set of edits that become one revision together, or nothing (B69).
type Change struct {
	// ID names the draft, as in ?change= of reads and writes of configuration.
	ID string `json:"id" validate:"required"`
	// Comment is what the draft is for; the revision gets it, unless the commit says another.
	Comment string `json:"comment" maxLength:"1000"`
	// Author is who opened the draft.
	Author string `json:"author" validate:"required"`
	// CreatedAt is when.
	CreatedAt time.Time `json:"created_at" format:"date-time" validate:"required"`
	// UpdatedAt is when the draft was changed last.
	UpdatedAt time.Time `json:"updated_at" format:"date-time" validate:"required"`
	// State says whether the draft can still be edited.
	State string `json:"state" enums:"open,committed,discarded" validate:"required"`
	// Edits is the number of items that the draft changes; 0 where it is not open.
	Edits int `json:"edits"`
	// Revision is the one that the commit made; absent where there is none.
	Revision int64 `json:"revision,omitempty"`
}

// ChangeNote is what is said about a draft.
type ChangeNote struct {
	// Comment is what the draft is for.
	Comment string `json:"comment" maxLength:"1000"`
}

func (n ChangeNote) validate() (f domain.Faults) {
	if len(n.Comment) > maxCommentOctets {
		f.Add("/comment", "may have %d octets", maxCommentOctets)
	}
	if strings.ContainsFunc(n.Comment, notInComment) {
		f.Add("/comment", "must be text without control characters")
	}
	return f
}

func (a *API) changesOperations() []operation {
	const list, one = "/changes", "/changes/:id"
	return []operation{
		{http.MethodGet, list, "listChanges", account.RoleViewer, []string{"limit", "cursor", "state"}, a.listChanges},
		{http.MethodPost, list, "openChange", account.RoleAdmin, nil, a.openChange},
		{http.MethodGet, one, "getChange", account.RoleViewer, nil, a.getChange},
		{http.MethodPatch, one, "patchChange", account.RoleAdmin, nil, a.patchChange},
		{http.MethodPost, one + "/discard", "discardChange", account.RoleAdmin, nil, a.discardChange},
		{http.MethodGet, one + "/diff", changeDiffOperation, account.RoleViewer, nil, a.getChangeDiff},
		{http.MethodPost, one + "/validate", "validateChange", account.RoleViewer, nil, a.validateChange},
		{http.MethodPost, one + "/commit", "commitChange", account.RoleAdmin, confirmQuery, a.commitChange},
		{http.MethodPost, one + "/rebase", "rebaseChange", account.RoleAdmin, []string{"seen"}, a.rebaseChange},
	}
}

// listChanges godoc
//
//	@Summary	List the drafts, newest first
//	@ID			listChanges
//	@Tags		Changes
//	@Param		state	query		string	false	"Only drafts in this state"	Enums(open, committed, discarded)
//	@Success	200		{object}	Page[Change]
//	@Router		/changes [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listChanges(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	q := config.DraftQuery{State: config.DraftState(c.QueryParam("state")), Before: p.after, Limit: p.limit + 1}
	switch q.State {
	case "", config.DraftOpen, config.DraftCommitted, config.DraftDiscarded:
	default:
		return badQuery("state", "must be open, committed or discarded")
	}
	found, err := a.changes.List(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return writePage(c, p, found, func(d config.Draft) string { return d.ID }, func(d config.Draft) (Change, error) { return showChange(d), nil })
}

func showChange(d config.Draft) Change {
	return Change{
		ID: d.ID, Comment: d.Comment, Author: d.Author, CreatedAt: d.CreatedAt.UTC(), UpdatedAt: d.UpdatedAt.UTC(),
		State: string(d.State), Edits: d.Edits, Revision: d.Revision,
	}
}

// openChange godoc
//
//	@Summary		Open a draft
//	@Description	Reads and writes of configuration with ?change= and the id work on the draft; nothing takes effect before its commit. Several may be open (B69).
//	@ID				openChange
//	@Tags			Changes
//	@Param			body	body		ChangeNote	true	"What the draft is for"
//	@Success		201		{object}	Change
//	@Failure		409		{object}	Problem
//	@Router			/changes [post]
//	@x-shape		"create"
//	@x-role			"admin"
func (a *API) openChange(c echo.Context) error {
	note, err := readJSON[ChangeNote](c)
	if err != nil {
		return err
	}
	if err := note.validate().Err(); err != nil {
		return err
	}
	draft, err := a.changes.Open(c.Request().Context(), principalOf(c).Name, note.Comment)
	if err != nil {
		return err
	}
	shown := showChange(draft)
	setETag(c, tagOf(shown))
	c.Response().Header().Set("Location", basePath+"/changes/"+draft.ID)
	return reply(c, http.StatusCreated, shown)
}

// getChange godoc
//
//	@Summary	Show a draft
//	@ID			getChange
//	@Tags		Changes
//	@Param		id	path		string	true	"Id of the draft"
//	@Success	200	{object}	Change
//	@Router		/changes/{id} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getChange(c echo.Context) error {
	draft, err := a.changes.Draft(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	shown := showChange(draft)
	return replyTagged(c, tagOf(shown), shown)
}

// patchChange godoc
//
//	@Summary	Change what a draft is said to be for
//	@ID			patchChange
//	@Tags		Changes
//	@Accept		application/merge-patch+json
//	@Param		id		path		string		true	"Id of the draft"
//	@Param		body	body		ChangeNote	true	"A JSON merge patch (RFC 7396)"
//	@Success	200		{object}	Change
//	@Router		/changes/{id} [patch]
//	@x-shape	"update"
//	@x-role		"admin"
func (a *API) patchChange(c echo.Context) error {
	patch, err := readBody(c, mediaMergePatch)
	if err != nil {
		return err
	}
	draft, err := a.changes.Draft(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	note, faults, err := mergePatch(ChangeNote{Comment: draft.Comment}, patch)
	if err != nil {
		return err
	}
	faults.Merge("", note.validate())
	if err := faults.Err(); err != nil {
		return err
	}
	draft, err = a.changes.Describe(c.Request().Context(), draft.ID, note.Comment, func(now config.Draft) error {
		_, _, err := preconditions(c, tagOf(showChange(now)), true)
		return err
	})
	if err != nil {
		return err
	}
	shown := showChange(draft)
	setETag(c, tagOf(shown))
	return reply(c, http.StatusOK, shown)
}

// discardChange godoc
//
//	@Summary		Discard a draft
//	@Description	What was written into the draft is forgotten; the configuration stays as it is. Repeating it does nothing.
//	@ID				discardChange
//	@Tags			Changes
//	@Param			id	path		string	true	"Id of the draft"
//	@Success		200	{object}	Change
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Router			/changes/{id}/discard [post]
//	@x-role			"admin"
func (a *API) discardChange(c echo.Context) error {
	draft, err := a.changes.Discard(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showChange(draft))
}
