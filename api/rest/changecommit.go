package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/config"
)

// ChangeDiff is what a draft would change now, value by value.
type ChangeDiff struct {
	// ID of the draft.
	ID string `json:"id" validate:"required"`
	// Revision of the configuration that the draft is compared with.
	Revision int64 `json:"revision" validate:"required"`
	// Items are the items that would change.
	Items []ItemDiff `json:"items" validate:"required"`
	// Clashes are the items that changed since the draft first touched them.
	Clashes []ChangeClash `json:"clashes" validate:"required"`
}

// ChangeClash is an item that a draft changes and that was changed underneath.
type ChangeClash struct {
	// Kind of the item, as destination_control.
	Kind string `json:"kind" validate:"required"`
	// Key of the item.
	Key string `json:"key" validate:"required"`
	// Revision is the newest one that changed the item.
	Revision int64 `json:"revision" validate:"required"`
	// Author is who made that revision.
	Author string `json:"author" validate:"required"`
	// Comment is what the author said about it.
	Comment string `json:"comment"`
	// CommittedAt is when.
	CommittedAt time.Time `json:"committed_at" format:"date-time" validate:"required"`
}

// ChangeReport is what stands in the way of a draft.
type ChangeReport struct {
	// ID of the draft.
	ID string `json:"id" validate:"required"`
	// Valid is whether the draft could be committed now.
	Valid bool `json:"valid"`
	// Errors are the broken rules; their pointers begin with kind and key of the item.
	Errors []ProblemFault `json:"errors" validate:"required"`
	// Warnings are what an administrator should look at, although it is allowed.
	Warnings []ProblemFault `json:"warnings" validate:"required"`
	// Clashes are the items that changed since the draft first touched them; rebase the draft when you have looked at them.
	Clashes []ChangeClash `json:"clashes" validate:"required"`
}

func showClashes(clashes []config.Clash) []ChangeClash {
	shown := make([]ChangeClash, len(clashes))
	for i, clash := range clashes {
		r := clash.Revision
		shown[i] = ChangeClash{
			Kind: string(clash.Kind), Key: clash.Key, Revision: r.Number,
			Author: r.Author, Comment: r.Comment, CommittedAt: r.At.UTC(),
		}
	}
	return shown
}

// getChangeDiff godoc
//
//	@Summary		Show what a draft would change, value by value
//	@Description	Compares with the configuration of now. Accept: text/plain gives a text to read.
//	@ID				getChangeDiff
//	@Tags			Changes
//	@Param			id	path		string	true	"Id of the draft"
//	@Success		200	{object}	ChangeDiff
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Router			/changes/{id}/diff [get]
//	@x-also			["text/plain"]
//	@x-role			"viewer"
func (a *API) getChangeDiff(c echo.Context) error {
	id := c.Param("id")
	revision := a.config.Status().Committed
	found, err := a.changeCommits.Diff(c.Request().Context(), id)
	if err != nil {
		return err
	}
	diff := ChangeDiff{ID: id, Revision: revision, Clashes: showClashes(found.Clashes)}
	if diff.Items, err = diffItems(found.Edits); err != nil {
		return err
	}
	return replyDiff(c, diff, diff.Items, diff.Clashes)
}

// validateChange godoc
//
//	@Summary		Say what stands in the way of a draft
//	@Description	Makes all checks of a commit and tells every fault, every warning and every item that changed underneath.
//	@ID				validateChange
//	@Tags			Changes
//	@Param			id	path		string	true	"Id of the draft"
//	@Success		200	{object}	ChangeReport
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Router			/changes/{id}/validate [post]
//	@x-role			"viewer"
func (a *API) validateChange(c echo.Context) error {
	id := c.Param("id")
	found, err := a.changeCommits.Validate(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, ChangeReport{
		ID: id, Valid: len(found.Faults)+len(found.Clashes) == 0,
		Errors: problemFaults(found.Faults), Warnings: problemFaults(found.Warnings), Clashes: showClashes(found.Clashes),
	})
}

// commitChange godoc
//
//	@Summary		Make a draft one revision
//	@Description	All of its edits take effect together, or none. 412 names each item that changed underneath: look at the diff, then rebase the draft. Repeating the commit of a committed draft gives its revision. The Change-Comment takes the place of the draft's own.
//	@ID				commitChange
//	@Tags			Changes
//	@Param			id	path		string	true	"Id of the draft"
//	@Success		200	{object}	Revision
//	@Failure		412	{object}	Problem
//	@Router			/changes/{id}/commit [post]
//	@x-shape		"change"
//	@x-role			"admin"
func (a *API) commitChange(c echo.Context) error {
	result, err := a.change(c, func(ctx context.Context, act config.Act) (config.Result, error) {
		return a.changeCommits.Commit(ctx, c.Param("id"), act)
	})
	if err != nil {
		return err
	}
	made, err := a.revisions.Revision(c.Request().Context(), result.Revision)
	if err != nil {
		return err
	}
	made.Edits = nil // there may be many; the revision has them
	return replyWritten(c, http.StatusOK, showRevision(made), result.Warnings)
}

// rebaseChange godoc
//
//	@Summary		Put a stale draft onto the configuration of now
//	@Description	Where both changed an item, the value of the draft will count. The caller says up to which revision the changes of others have been seen; 412 names the items that changed after that.
//	@ID				rebaseChange
//	@Tags			Changes
//	@Param			id		path		string	true	"Id of the draft"
//	@Param			seen	query		int		true	"The newest revision that was looked at"	minimum(1)
//	@Success		200		{object}	Change
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Failure		412		{object}	Problem
//	@Failure		422		{object}	Problem
//	@Router			/changes/{id}/rebase [post]
//	@x-role			"admin"
func (a *API) rebaseChange(c echo.Context) error {
	seen, err := strconv.ParseInt(c.QueryParam("seen"), 10, 64)
	if err != nil || seen < 1 {
		return badQuery("seen", "must be the number of a revision")
	}
	draft, err := a.changeCommits.Rebase(c.Request().Context(), c.Param("id"), seen)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showChange(draft))
}
