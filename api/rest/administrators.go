package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
)

// Administrators are the people who may call with a password.
type Administrators interface {
	ListAdministrators(ctx context.Context, after string, limit int) ([]account.Administrator, error)
	Administrator(ctx context.Context, name string) (account.Administrator, error)
	// ChangePassword lets administrators set their own password, and the role
	// admin that of everyone.
	ChangePassword(ctx context.Context, by account.Principal, name, password string) error
	PutAdministrator(ctx context.Context, by account.Principal, want account.AdministratorChange) (stored account.Administrator, created bool, err error)
	DeleteAdministrator(ctx context.Context, by account.Principal, name string, check func(now account.Administrator, exists bool) error) error
}

// Administrator is a person who may call with a password.
type Administrator struct {
	// Name is what the administrator logs in with.
	Name string `json:"name" validate:"required"`
	// Role is what the administrator may do.
	Role account.Role `json:"role" validate:"required" swaggertype:"string" enums:"viewer,operator,certificate_manager,admin"`
	// HasPassword is false while no password is set, and the administrator cannot log in.
	HasPassword bool `json:"has_password" validate:"required"`
	// Disabled keeps the administrator out, whatever the password.
	Disabled bool `json:"disabled" validate:"required"`
	// CreatedAt is when the account was made.
	CreatedAt time.Time `json:"created_at" validate:"required" format:"date-time"`
}

// AdministratorRequest says what an administrator is to be. The password is set
// by an operation of its own.
type AdministratorRequest struct {
	// Role is what the administrator may do.
	Role account.Role `json:"role" validate:"required" swaggertype:"string" enums:"viewer,operator,certificate_manager,admin"`
	// Disabled keeps the administrator out; sessions end at once.
	Disabled bool `json:"disabled,omitempty"`
}

// PasswordChange replaces a password.
type PasswordChange struct {
	// Password is the new one: at least 12 characters, at most 1024 octets. It must not begin with "pstn_", as tokens do.
	Password string `json:"password" validate:"required" minLength:"12" maxLength:"1024" format:"password"`
}

func (a *API) administratorsOperations() []operation {
	const list, one = "/administrators", "/administrators/:name"
	return []operation{
		{http.MethodGet, list, "listAdministrators", account.RoleViewer, listQuery, a.listAdministrators},
		{http.MethodGet, one, "getAdministrator", account.RoleViewer, nil, a.getAdministrator},
		{http.MethodPut, one, "replaceAdministrator", account.RoleAdmin, nil, a.replaceAdministrator},
		{http.MethodDelete, one, "deleteAdministrator", account.RoleAdmin, nil, a.deleteAdministrator},
		{http.MethodPut, one + "/password", "setAdministratorPassword", account.RoleViewer, nil, a.setAdministratorPassword},
	}
}

// listAdministrators godoc
//
//	@Summary	List the administrators by name
//	@ID			listAdministrators
//	@Tags		Accounts
//	@Success	200	{object}	Page[Administrator]
//	@Router		/administrators [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listAdministrators(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	found, err := a.administrators.ListAdministrators(c.Request().Context(), p.after, p.limit+1)
	if err != nil {
		return err
	}
	key := func(each account.Administrator) string { return each.Name }
	return writePage(c, p, found, key, func(each account.Administrator) (Administrator, error) {
		return showAdministrator(each), nil
	})
}

func showAdministrator(a account.Administrator) Administrator {
	return Administrator{Name: a.Name, Role: a.Role, HasPassword: a.HasPassword(), Disabled: a.Disabled, CreatedAt: a.CreatedAt}
}

// getAdministrator godoc
//
//	@Summary	Show an administrator
//	@ID			getAdministrator
//	@Tags		Accounts
//	@Param		name	path		string	true	"Name of the administrator"
//	@Success	200		{object}	Administrator
//	@Router		/administrators/{name} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getAdministrator(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	found, err := a.administrators.Administrator(c.Request().Context(), name)
	if err != nil {
		return err
	}
	shown := showAdministrator(found)
	return replyTagged(c, tagOf(shown), shown)
}

// replaceAdministrator godoc
//
//	@Summary		Create an administrator, or change role and state of one
//	@Description	A new administrator has no password and cannot log in until one is set. Role and state count in open sessions at once. The last administrator who can log in with the role `admin` keeps it. A token that is held to scopes cannot do this.
//	@ID				replaceAdministrator
//	@Tags			Accounts
//	@Param			name	path		string					true	"Name of the administrator: up to 64 printable characters, no colon"
//	@Param			body	body		AdministratorRequest	true	"Role and state"
//	@Success		200		{object}	Administrator
//	@Success		201		{object}	Administrator
//	@Failure		409		{object}	Problem
//	@Router			/administrators/{name} [put]
//	@x-shape		"put"
//	@x-role			"admin"
func (a *API) replaceAdministrator(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	asked, err := readJSON[AdministratorRequest](c)
	if err != nil {
		return err
	}
	stored, created, err := a.administrators.PutAdministrator(c.Request().Context(), principalOf(c), account.AdministratorChange{
		Name: name, Role: asked.Role, Disabled: asked.Disabled, Check: administratorCheck(c),
	})
	if err != nil {
		return err
	}
	shown, status := showAdministrator(stored), http.StatusOK
	if created {
		status = http.StatusCreated
		c.Response().Header().Set("Location", c.Request().URL.EscapedPath())
	}
	setETag(c, tagOf(shown))
	return reply(c, status, shown)
}

// deleteAdministrator godoc
//
//	@Summary		Delete an administrator
//	@Description	Sessions of the password end at once; tokens stay. The last administrator who can log in with the role `admin` cannot be deleted.
//	@ID				deleteAdministrator
//	@Tags			Accounts
//	@Param			name	path	string	true	"Name of the administrator"
//	@Success		204
//	@Router			/administrators/{name} [delete]
//	@x-shape		"match"
//	@x-role			"admin"
func (a *API) deleteAdministrator(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	if err := a.administrators.DeleteAdministrator(c.Request().Context(), principalOf(c), name, administratorCheck(c)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// administratorCheck holds the request against the administrator as the write
// finds him.
func administratorCheck(c echo.Context) func(account.Administrator, bool) error {
	return func(now account.Administrator, exists bool) error {
		_, _, err := preconditions(c, tagOf(showAdministrator(now)), exists)
		return err
	}
}

// setAdministratorPassword godoc
//
//	@Summary		Set an administrator's password
//	@Description	Administrators may set their own, logged in with the former one; the role `admin` may set that of everyone. The former password counts no more, and XML-RPC sessions that it opened end. Tokens stay.
//	@ID				setAdministratorPassword
//	@Tags			Accounts
//	@Param			name	path	string			true	"Name of the administrator"
//	@Param			body	body	PasswordChange	true	"The new password"
//	@Success		204
//	@Failure		404	{object}	Problem
//	@Failure		408	{object}	Problem
//	@Failure		413	{object}	Problem
//	@Failure		415	{object}	Problem
//	@Failure		422	{object}	Problem
//	@Router			/administrators/{name}/password [put]
//	@x-shape		"conditional"
//	@x-role			"viewer"
func (a *API) setAdministratorPassword(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	asked, err := readJSON[PasswordChange](c)
	if err != nil {
		return err
	}
	if err := a.administratorPreconditions(c, name); err != nil {
		return err
	}
	if err := a.administrators.ChangePassword(c.Request().Context(), principalOf(c), name, asked.Password); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// administratorPreconditions holds the request against the administrator as
// getAdministrator shows it. That there is none is for the write to refuse.
func (a *API) administratorPreconditions(c echo.Context, name string) error {
	found, err := a.administrators.Administrator(c.Request().Context(), name)
	exists := err == nil
	if err != nil && domain.KindOf(err) != domain.NotFound {
		return err
	}
	_, _, err = preconditions(c, tagOf(showAdministrator(found)), exists)
	return err
}
