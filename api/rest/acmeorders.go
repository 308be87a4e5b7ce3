package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/acme"
	"postern/domain/job"
)

// ACMEState is what the built-in ACME client remembers.
type ACMEState interface {
	// Account returns the account at a directory, or domain.NotFound.
	Account(ctx context.Context, directory string) (acme.Account, error)
	Renewal(ctx context.Context) (acme.Renewal, error)
}

// ACMEAccount is the gateway's account at the first directory of the ACME settings.
type ACMEAccount struct {
	// DirectoryURL is where the account is.
	DirectoryURL string `json:"directory_url" validate:"required"`
	// URL names the account; absent: it is not registered yet.
	URL string `json:"url,omitempty"`
	// CreatedAt is when its key was made.
	CreatedAt time.Time `json:"created_at" validate:"required" format:"date-time"`
	// Renewal is what comes next.
	Renewal ACMERenewal `json:"renewal" validate:"required"`
}

// ACMERenewal is what the gateway got by ACME, and when it gets the next one.
type ACMERenewal struct {
	// CertificateID is the certificate that was issued last; absent: none yet.
	CertificateID string `json:"certificate_id,omitempty"`
	// DirectoryURL is the directory that issued it.
	DirectoryURL string `json:"directory_url,omitempty"`
	// Names of the certificate.
	Names []string `json:"names" validate:"required"`
	// RenewAt is when it is renewed: by the authority's advice (RFC 9773), or when two thirds of its lifetime are over.
	RenewAt *time.Time `json:"renew_at,omitempty" format:"date-time"`
	// Failures is how many orders in a row came to nothing.
	Failures int `json:"failures"`
	// NextTryAt is until when nothing is ordered after a failure.
	NextTryAt *time.Time `json:"next_try_at,omitempty" format:"date-time"`
}

func showRenewal(r acme.Renewal) ACMERenewal {
	return ACMERenewal{
		CertificateID: r.CertificateID, DirectoryURL: r.Directory, Names: orEmpty(r.Names),
		RenewAt: optionalTime(r.RenewAt), Failures: r.Failures, NextTryAt: optionalTime(r.NextTry),
	}
}

func (a *API) acmeOrdersOperations() []operation {
	const orders = "/acme/orders"
	return []operation{
		{http.MethodGet, "/acme/account", "getACMEAccount", account.RoleViewer, nil, a.getACMEAccount},
		{http.MethodGet, orders, "listACMEOrders", account.RoleViewer, listQuery, a.listACMEOrders},
		{http.MethodPost, orders, "createACMEOrder", account.RoleCertificateManager, nil, a.createACMEOrder},
	}
}

// getACMEAccount godoc
//
//	@Summary	Show the ACME account and the next renewal
//	@ID			getACMEAccount
//	@Tags		ACME
//	@Success	200	{object}	ACMEAccount
//	@Failure	404	{object}	Problem
//	@Router		/acme/account [get]
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getACMEAccount(c echo.Context) error {
	found, err := a.acmeState.Account(c.Request().Context(), a.snapshot().Settings.ACME.DirectoryURL)
	if err != nil {
		return err
	}
	renewal, err := a.acmeState.Renewal(c.Request().Context())
	if err != nil {
		return err
	}
	return replyObject(c, ACMEAccount{
		DirectoryURL: found.Directory, URL: found.URL, CreatedAt: found.CreatedAt, Renewal: showRenewal(renewal),
	})
}

// listACMEOrders godoc
//
//	@Summary		List the ACME orders, newest first
//	@Description	Each is a job; its steps are the transcript of the challenges.
//	@ID				listACMEOrders
//	@Tags			ACME
//	@Success		200	{object}	Page[Job]
//	@Router			/acme/orders [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listACMEOrders(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	found, err := a.jobs.List(c.Request().Context(), job.Query{Before: p.after, Limit: p.limit + 1, Kind: acme.JobKind})
	if err != nil {
		return err
	}
	key := func(j job.Job) string { return j.ID }
	return writePage(c, p, found, key, func(j job.Job) (Job, error) { return showJob(j), nil })
}

// createACMEOrder godoc
//
//	@Summary		Order a certificate by ACME
//	@Description	For the host name of the outbound settings and the alternative names of the ACME settings. The job proves each name, and what is issued becomes the active certificate; where anything fails, the one before stays.
//	@ID				createACMEOrder
//	@Tags			ACME
//	@Success		202	{object}	Job
//	@Failure		409	{object}	Problem
//	@Failure		422	{object}	Problem
//	@Failure		429	{object}	Problem
//	@Router			/acme/orders [post]
//	@x-role			"certificate_manager"
func (a *API) createACMEOrder(c echo.Context) error {
	begun, err := a.acmeOrders.Order(c.Request().Context(), principalOf(c).Name)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", basePath+"/jobs/"+begun.ID)
	return reply(c, http.StatusAccepted, showJob(begun))
}
