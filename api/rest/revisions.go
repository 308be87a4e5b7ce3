package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
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
	Revisions(ctx context.Context, q config.RevisionQuery) ([]config.Revision, error)
	Rollback(ctx context.Context, number int64, act config.Act) (config.Result, error)
	PreviewRollback(ctx context.Context, number int64) (config.Preview, error)
	Confirm(ctx context.Context, number int64, by string) (config.Revision, error)
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
	// Change is the id of the draft that was committed; absent for a plain write.
	Change string `json:"change,omitempty"`
	// Confirmation is what became of the revision; absent where it stood from the start (B70).
	Confirmation string `json:"confirmation,omitempty" enums:"pending,confirmed,reverted"`
	// ConfirmBy is when the revision is or was to be taken back unless confirmed.
	ConfirmBy *time.Time `json:"confirm_by,omitempty" format:"date-time"`
	// ConfirmedBy is who confirmed the revision.
	ConfirmedBy string `json:"confirmed_by,omitempty"`
	// RevertedIn is the revision that took this one back.
	RevertedIn int64 `json:"reverted_in,omitempty"`
	// Reverts is the unconfirmed revision that this one took back.
	Reverts int64 `json:"reverts,omitempty"`
	// Edits are the items that changed; lists leave them out.
	Edits []RevisionEdit `json:"edits,omitempty"`
	// DryRun is whether the revision was not made: it is what would be.
	DryRun bool `json:"dry_run,omitempty"`
	// Diff is what would change, value by value; only of a dry run.
	Diff []ItemDiff `json:"diff,omitempty"`
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

// revisionFilters are the query parameters that select revisions.
var revisionFilters = []string{"author", "kind", "key", "since", "until", "comment", "confirmation"}

func (a *API) revisionsOperations() []operation {
	const list, one = "/revisions", "/revisions/:number"
	return []operation{
		{http.MethodGet, list, "listRevisions", account.RoleViewer, slices.Concat(listQuery, revisionFilters, []string{"sort"}), a.listRevisions},
		{http.MethodGet, one, "getRevision", account.RoleViewer, nil, a.getRevision},
		{http.MethodGet, one + "/diff", revisionDiffOperation, account.RoleViewer, nil, a.getRevisionDiff},
		{http.MethodPost, one + "/rollback", "rollBackRevision", account.RoleAdmin, append([]string{"dry_run"}, confirmQuery...), a.rollBackRevision},
		{http.MethodPost, one + "/confirm", "confirmRevision", account.RoleAdmin, nil, a.confirmRevision},
	}
}

// listRevisions godoc
//
//	@Summary	List the revisions of the configuration, newest first
//	@ID			listRevisions
//	@Tags		Changes
//	@Param		author			query		string	false	"Only revisions by this author"
//	@Param		kind			query		string	false	"Only revisions that changed an item of this kind, as destination_control"
//	@Param		key				query		string	false	"Only revisions that changed an item with this key; with kind, that very item"
//	@Param		since			query		string	false	"Only revisions from this moment on"	Format(date-time)
//	@Param		until			query		string	false	"Only revisions before this moment"		Format(date-time)
//	@Param		comment			query		string	false	"Only revisions whose comment has this text; the case of ASCII letters does not count"
//	@Param		confirmation	query		string	false	"Only revisions that had to be confirmed, in this state"	Enums(pending, confirmed, reverted)
//	@Param		sort			query		string	false	"Oldest first, or with a minus newest first, as without it"	Enums(number, -number)
//	@Success	200				{object}	Page[Revision]
//	@Router		/revisions [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listRevisions(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	query, err := revisionQuery(c, p)
	if err != nil {
		return err
	}
	found, err := a.revisions.Revisions(c.Request().Context(), query)
	if err != nil {
		return err
	}
	key := func(r config.Revision) string { return strconv.FormatInt(r.Number, 10) }
	return writePage(c, p, found, key, func(r config.Revision) (Revision, error) { return showRevision(r), nil })
}

func revisionQuery(c echo.Context, p pageRequest) (q config.RevisionQuery, err error) {
	q = config.RevisionQuery{
		Limit: p.limit + 1, Author: c.QueryParam("author"), Kind: config.Kind(c.QueryParam("kind")), Key: c.QueryParam("key"),
		Comment: c.QueryParam("comment"), Confirmation: config.ConfirmationState(c.QueryParam("confirmation")),
	}
	switch q.Confirmation {
	case "", config.ConfirmationPending, config.ConfirmationConfirmed, config.ConfirmationReverted:
	default:
		return q, badQuery("confirmation", "must be pending, confirmed or reverted")
	}
	descending, err := sortParam(c, "number", true)
	if err != nil {
		return q, err
	}
	if q.Before, err = numberAfter(p); err != nil {
		return q, err
	}
	if q.OldestFirst = !descending; q.OldestFirst {
		q.Before, q.After = 0, q.Before
	}
	if q.Since, err = timeParam(c, "since"); err != nil {
		return q, err
	}
	q.Until, err = timeParam(c, "until")
	return q, err
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
	shown := Revision{
		Number: r.Number, Author: r.Author, Comment: r.Comment, CommittedAt: r.At.UTC(), Change: r.Draft, Reverts: r.Reverts,
	}
	if confirmation := r.Confirmation; confirmation != nil {
		by := confirmation.By.UTC()
		shown.Confirmation, shown.ConfirmBy = string(confirmation.State), &by
		shown.ConfirmedBy, shown.RevertedIn = confirmation.SettledBy, confirmation.RevertedIn
	}
	shown.Edits = showEdits(r.Edits)
	return shown
}

func showEdits(edits []config.RecordedEdit) (shown []RevisionEdit) {
	for _, e := range edits {
		shown = append(shown, RevisionEdit{Kind: string(e.Kind), Key: e.Key, Before: e.Before, After: e.After})
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
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getRevision(c echo.Context) error {
	r, err := a.namedRevision(c)
	if err != nil {
		return err
	}
	return replyObject(c, showRevision(r))
}

// getRevisionDiff godoc
//
//	@Summary		Show what a revision changed, value by value
//	@Description	Accept: text/plain gives a text to read.
//	@ID				getRevisionDiff
//	@Tags			Changes
//	@Param			number	path		int	true	"Number of the revision"	minimum(1)
//	@Success		200		{object}	RevisionDiff
//	@Failure		404		{object}	Problem
//	@Router			/revisions/{number}/diff [get]
//	@x-also			["text/plain"]
//	@x-role			"viewer"
func (a *API) getRevisionDiff(c echo.Context) error {
	r, err := a.namedRevision(c)
	if err != nil {
		return err
	}
	items, err := diffItems(r.Edits)
	if err != nil {
		return err
	}
	return replyDiff(c, RevisionDiff{Number: r.Number, Items: items}, items, nil)
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
//	@Description	The roll back is a new revision of its own. Certificates are not configuration and stay as they are (B70). With dry_run=true all checks are made and nothing is written.
//	@ID				rollBackRevision
//	@Tags			Changes
//	@Param			number	path		int		true	"Number of the revision to return to"	minimum(1)
//	@Param			dry_run	query		boolean	false	"Check and show only"
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
	dry, err := boolParam(c, "dry_run")
	if err != nil {
		return err
	}
	if dry {
		return a.previewRollback(c, number)
	}
	result, err := a.change(c, func(ctx context.Context, act config.Act) (config.Result, error) {
		return a.revisions.Rollback(ctx, number, act)
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

// previewRollback shows the revision that the roll back would make.
func (a *API) previewRollback(c echo.Context, number int64) error {
	comment, err := changeComment(c)
	if err != nil {
		return err
	}
	preview, err := a.revisions.PreviewRollback(c.Request().Context(), number)
	if err != nil {
		return err
	}
	shown := Revision{
		Number: preview.Result.Revision, Author: principalOf(c).Name, Comment: comment, CommittedAt: a.now().UTC(),
		Edits: showEdits(preview.Edits), DryRun: true,
	}
	if shown.Diff, err = diffItems(preview.Edits); err != nil {
		return err
	}
	a.announceRevisions(c, a.config.Status().Committed)
	return replyWritten(c, http.StatusOK, shown, preview.Result.Warnings)
}
