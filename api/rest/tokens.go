package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
)

// Tokens are the credentials of machines.
type Tokens interface {
	// CreateToken makes a token that grants no more than its maker holds, and
	// returns its secret this once.
	CreateToken(ctx context.Context, by account.Principal, want account.TokenSpec) (secret string, t account.Token, err error)
	ListTokens(ctx context.Context, after string, limit int) ([]account.Token, error)
	Token(ctx context.Context, id string) (account.Token, error)
	DeleteToken(ctx context.Context, id string) error
}

// Token is a credential of a machine. Its secret is shown once, when it is made.
type Token struct {
	// ID names the token; ids sort by age.
	ID string `json:"id" validate:"required"`
	// Name is an administrator's own word for it; in logs and revisions the token is called by it.
	Name string `json:"name" validate:"required"`
	// Role is what the token grants.
	Role account.Role `json:"role" validate:"required" swaggertype:"string" enums:"viewer,operator,certificate_manager,admin"`
	// CreatedAt is when it was made.
	CreatedAt time.Time `json:"created_at" validate:"required" format:"date-time"`
	// CreatedBy is who made it.
	CreatedBy string `json:"created_by" validate:"required"`
	// ExpiresAt is when it grants nothing any more; absent: never.
	ExpiresAt *time.Time `json:"expires_at,omitempty" format:"date-time"`
	// Scopes hold it to parts of the API; absent: all that the role allows.
	Scopes []string `json:"scopes,omitempty" enums:"read,config,queue,tests,alerts,certificates,accounts,audit"`
	// AllowedAddresses are the networks that it may be used from; absent: anywhere.
	AllowedAddresses []string `json:"allowed_addresses,omitempty"`
	// LastUsedAt is when it was used last, a minute late at most; absent: never. The entity tag leaves the last use out.
	LastUsedAt *time.Time `json:"last_used_at,omitempty" format:"date-time"`
	// LastUsedFrom is the address that it was used from last.
	LastUsedFrom string `json:"last_used_from,omitempty"`
}

// TokenRequest asks for a token.
type TokenRequest struct {
	// Name is unique among tokens.
	Name string `json:"name" validate:"required" minLength:"1" maxLength:"64"`
	// Role is what the token is to grant: no more than the caller's own.
	Role account.Role `json:"role" validate:"required" swaggertype:"string" enums:"viewer,operator,certificate_manager,admin"`
	// ExpiresAt is when it is to grant nothing any more, to the second; absent: never.
	ExpiresAt *time.Time `json:"expires_at,omitempty" format:"date-time"`
	// Scopes hold it to parts of the API: no more than the caller's own; absent: all that the role allows. Reading is a scope of its own.
	Scopes []string `json:"scopes,omitempty" enums:"read,config,queue,tests,alerts,certificates,accounts,audit"`
	// AllowedAddresses are the networks that it may be used from, as 192.0.2.0/24, or single addresses; absent: anywhere.
	AllowedAddresses []string `json:"allowed_addresses,omitempty" maxItems:"32"`
}

// spec reads the request; a network that cannot be read is a fault.
func (t TokenRequest) spec() (account.TokenSpec, error) {
	want := account.TokenSpec{Name: t.Name, Role: t.Role, Scopes: t.Scopes, ExpiresAt: t.ExpiresAt}
	var faults domain.Faults
	for i, text := range t.AllowedAddresses {
		network, err := parseNetwork(text)
		if err != nil {
			faults.Add(fmt.Sprint("/allowed_addresses/", i), "must be a network, as 192.0.2.0/24, or an address")
		}
		want.Addresses = append(want.Addresses, network)
	}
	return want, faults.Err()
}

// parseNetwork reads a network, or one address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// NewToken is a token that was just made, with its secret.
type NewToken struct {
	Token
	// Secret is what the machine sends as Bearer token, or as the password. It cannot be had again.
	Secret string `json:"secret" validate:"required"`
}

func (a *API) tokensOperations() []operation {
	const list, one = "/tokens", "/tokens/:id"
	return []operation{
		{http.MethodGet, list, "listTokens", account.RoleViewer, listQuery, a.listTokens},
		{http.MethodPost, list, "createToken", account.RoleAdmin, nil, a.createToken},
		{http.MethodGet, one, "getToken", account.RoleViewer, nil, a.getToken},
		{http.MethodDelete, one, "deleteToken", account.RoleAdmin, nil, a.deleteToken},
	}
}

// listTokens godoc
//
//	@Summary		List the tokens, oldest first
//	@Description	Expired ones stay in the list until they are deleted.
//	@ID				listTokens
//	@Tags			Accounts
//	@Success		200	{object}	Page[Token]
//	@Router			/tokens [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listTokens(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	found, err := a.tokens.ListTokens(c.Request().Context(), p.after, p.limit+1)
	if err != nil {
		return err
	}
	key := func(t account.Token) string { return t.ID }
	return writePage(c, p, found, key, func(t account.Token) (Token, error) { return showToken(t), nil })
}

func showToken(t account.Token) Token {
	shown := Token{
		ID: t.ID, Name: t.Name, Role: t.Role, Scopes: t.Scopes.Names(),
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt,
	}
	for _, network := range t.Addresses {
		shown.AllowedAddresses = append(shown.AllowedAddresses, network.String())
	}
	if t.LastUsedFrom.IsValid() {
		shown.LastUsedFrom = t.LastUsedFrom.String()
	}
	return shown
}

// tag returns the entity tag, which says nothing about the last use: else every
// use would break the preconditions of whoever looks after tokens.
func (t Token) tag() string {
	t.LastUsedAt, t.LastUsedFrom = nil, ""
	return tagOf(t)
}

// createToken godoc
//
//	@Summary		Make a token for a machine
//	@Description	The reply shows its secret, which is not kept here and cannot be had again.
//	@ID				createToken
//	@Tags			Accounts
//	@Param			body	body		TokenRequest	true	"What the token is to be"
//	@Success		201		{object}	NewToken
//	@Failure		409		{object}	Problem
//	@Router			/tokens [post]
//	@x-shape		"create"
//	@x-role			"admin"
func (a *API) createToken(c echo.Context) error {
	asked, err := readJSON[TokenRequest](c)
	if err != nil {
		return err
	}
	want, err := asked.spec()
	if err != nil {
		return err
	}
	secret, made, err := a.tokens.CreateToken(c.Request().Context(), principalOf(c), want)
	if err != nil {
		return err
	}
	shown := showToken(made)
	c.Response().Header().Set("Location", basePath+"/tokens/"+made.ID)
	setETag(c, shown.tag())
	return reply(c, http.StatusCreated, NewToken{Token: shown, Secret: secret})
}

// getToken godoc
//
//	@Summary	Show a token, without its secret
//	@ID			getToken
//	@Tags		Accounts
//	@Param		id	path		string	true	"Id of the token"
//	@Success	200	{object}	Token
//	@Router		/tokens/{id} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getToken(c echo.Context) error {
	found, err := a.tokens.Token(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	shown := showToken(found)
	return replyTagged(c, shown.tag(), shown)
}

// deleteToken godoc
//
//	@Summary		Withdraw a token
//	@Description	It grants nothing from the next request on; XML-RPC sessions that it opened end.
//	@ID				deleteToken
//	@Tags			Accounts
//	@Param			id	path	string	true	"Id of the token"
//	@Success		204
//	@Failure		404	{object}	Problem
//	@Failure		412	{object}	Problem
//	@Router			/tokens/{id} [delete]
//	@x-shape		"match"
//	@x-role			"admin"
func (a *API) deleteToken(c echo.Context) error {
	ctx, id := c.Request().Context(), c.Param("id")
	current, err := a.tokens.Token(ctx, id)
	if err != nil {
		return err
	}
	// A token never changes: what matches now matches when it is deleted.
	if _, _, err := preconditions(c, showToken(current).tag(), true); err != nil {
		return err
	}
	if err := a.tokens.DeleteToken(ctx, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
