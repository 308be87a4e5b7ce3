package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// confirmRevision godoc
//
//	@Summary		Keep a revision that would be taken back
//	@Description	For a revision that was made with confirm_within (B70). 409 says what became of one that cannot be confirmed: which revision took it back, or that it stood from the start. Repeating it does nothing.
//	@ID				confirmRevision
//	@Tags			Changes
//	@Param			number	path		int	true	"Number of the revision"	minimum(1)
//	@Success		200		{object}	Revision
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Router			/revisions/{number}/confirm [post]
//	@x-role			"admin"
func (a *API) confirmRevision(c echo.Context) error {
	number, err := revisionNumber(c)
	if err != nil {
		return err
	}
	confirmed, err := a.revisions.Confirm(c.Request().Context(), number, principalOf(c).Name)
	if err != nil {
		return err
	}
	confirmed.Edits = nil
	return reply(c, http.StatusOK, showRevision(confirmed))
}
