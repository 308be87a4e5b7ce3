package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/acme"
)

// Challenges are the answers that the public web listener gives to certification authorities (B50).
type Challenges interface {
	Put(ctx context.Context, author, token, keyAuthorization string) (acme.Challenge, error)
	Get(token string) (acme.Challenge, error)
	List(after string, limit int) []acme.Challenge
	Delete(ctx context.Context, token string) error
}

// ACMEChallenge is an answer to an http-01 challenge, which the public web listener gives to whoever asks (RFC 8555 section 8.3).
type ACMEChallenge struct {
	// Token is what the certification authority asks for.
	Token string `json:"token" validate:"required"`
	// KeyAuthorization is the answer: the token, a dot, and the thumbprint of the account key.
	KeyAuthorization string `json:"key_authorization" validate:"required"`
	// CreatedAt is when the answer was put here.
	CreatedAt time.Time `json:"created_at" validate:"required" format:"date-time"`
	// CreatedBy is who put it here.
	CreatedBy string `json:"created_by" validate:"required"`
	// ExpiresAt is when it is forgotten.
	ExpiresAt time.Time `json:"expires_at" validate:"required" format:"date-time"`
}

// ACMEAnswer is an answer to put here.
type ACMEAnswer struct {
	// KeyAuthorization is the token, a dot, and the thumbprint of the account key in base64url.
	KeyAuthorization string `json:"key_authorization" validate:"required" maxLength:"256"`
}

func (a *API) acmeChallengesOperations() []operation {
	const list, one = "/acme/challenges", "/acme/challenges/:token"
	return []operation{
		{http.MethodGet, list, "listACMEChallenges", account.RoleViewer, listQuery, a.listACMEChallenges},
		{http.MethodGet, one, "getACMEChallenge", account.RoleViewer, nil, a.getACMEChallenge},
		{http.MethodPut, one, "putACMEChallenge", account.RoleCertificateManager, nil, a.putACMEChallenge},
		{http.MethodDelete, one, "deleteACMEChallenge", account.RoleCertificateManager, nil, a.deleteACMEChallenge},
	}
}

// listACMEChallenges godoc
//
//	@Summary	List the answers to ACME challenges
//	@ID			listACMEChallenges
//	@Tags		ACME
//	@Success	200	{object}	Page[ACMEChallenge]
//	@Router		/acme/challenges [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listACMEChallenges(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	key := func(c acme.Challenge) string { return c.Token }
	show := func(c acme.Challenge) (ACMEChallenge, error) { return showChallenge(c), nil }
	return writePage(c, p, a.challenges.List(p.after, p.limit+1), key, show)
}

func showChallenge(c acme.Challenge) ACMEChallenge {
	return ACMEChallenge{
		Token: c.Token, KeyAuthorization: c.KeyAuthorization,
		CreatedAt: c.CreatedAt, CreatedBy: c.CreatedBy, ExpiresAt: c.ExpiresAt(),
	}
}

// getACMEChallenge godoc
//
//	@Summary	Show an answer to an ACME challenge
//	@ID			getACMEChallenge
//	@Tags		ACME
//	@Param		token	path		string	true	"Token of the challenge"
//	@Success	200		{object}	ACMEChallenge
//	@Router		/acme/challenges/{token} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getACMEChallenge(c echo.Context) error {
	found, err := a.challenges.Get(c.Param("token"))
	if err != nil {
		return err
	}
	shown := showChallenge(found)
	return replyTagged(c, tagOf(shown), shown)
}

// putACMEChallenge godoc
//
//	@Summary		Answer an ACME challenge
//	@Description	From the reply on, the public web listener answers `/.well-known/acme-challenge/{token}` for every host name. The answer is forgotten after a day.
//	@ID				putACMEChallenge
//	@Tags			ACME
//	@Param			token	path		string		true	"Token of the challenge: A-Z a-z 0-9 - _"
//	@Param			body	body		ACMEAnswer	true	"The answer"
//	@Success		200		{object}	ACMEChallenge	"The answer was replaced."
//	@Success		201		{object}	ACMEChallenge	"The answer was put here."
//	@Router			/acme/challenges/{token} [put]
//	@x-shape		"put"
//	@x-role			"certificate_manager"
func (a *API) putACMEChallenge(c echo.Context) error {
	answer, err := readJSON[ACMEAnswer](c)
	if err != nil {
		return err
	}
	token := c.Param("token")
	current, err := a.challenges.Get(token)
	exists := domain.KindOf(err) != domain.NotFound
	if _, _, err := preconditions(c, tagOf(showChallenge(current)), exists); err != nil {
		return err
	}
	made, err := a.challenges.Put(c.Request().Context(), principalOf(c).Name, token, answer.KeyAuthorization)
	if err != nil {
		return err
	}
	shown := showChallenge(made)
	setETag(c, tagOf(shown))
	if exists {
		return reply(c, http.StatusOK, shown)
	}
	c.Response().Header().Set("Location", c.Request().URL.EscapedPath())
	return reply(c, http.StatusCreated, shown)
}

// deleteACMEChallenge godoc
//
//	@Summary	Take an answer to an ACME challenge away
//	@ID			deleteACMEChallenge
//	@Tags		ACME
//	@Param		token	path	string	true	"Token of the challenge"
//	@Success	204
//	@Failure	404	{object}	Problem
//	@Router		/acme/challenges/{token} [delete]
//	@x-shape	"conditional"
//	@x-role		"certificate_manager"
func (a *API) deleteACMEChallenge(c echo.Context) error {
	current, err := a.challenges.Get(c.Param("token"))
	if err != nil {
		return err
	}
	if _, _, err := preconditions(c, tagOf(showChallenge(current)), true); err != nil {
		return err
	}
	if err := a.challenges.Delete(c.Request().Context(), c.Param("token")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
