package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/certificate"
)

// CertificateReader looks at certificates.
type CertificateReader interface {
	List(ctx context.Context, after string, limit int) ([]certificate.Certificate, error)
	// ListNewest is List the other way round.
	ListNewest(ctx context.Context, before string, limit int) ([]certificate.Certificate, error)
	Get(ctx context.Context, id string) (certificate.Certificate, error)
	Active(ctx context.Context) (certificate.Certificate, error)
	// Applied returns the number of the activation that handshakes use.
	Applied() int64
}

// CertificateWriter makes, activates and deletes certificates.
type CertificateWriter interface {
	CreateSelfSigned(ctx context.Context, author string, r certificate.SelfSignedRequest) (certificate.Certificate, error)
	ImportPEM(ctx context.Context, author string, r certificate.ImportRequest) (certificate.Certificate, error)
	Activate(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
	Delete(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
	WaitApplied(ctx context.Context, activation int64) error
}

// CertificateFiles takes certificates in and gives them out in other forms.
type CertificateFiles interface {
	CreateRequest(ctx context.Context, author string, r certificate.SigningRequest) (certificate.Certificate, error)
	InstallSigned(ctx context.Context, author, id, ifMatch string, signed certificate.SignedCertificate) (certificate.Certificate, error)
	ImportPKCS12(ctx context.Context, author string, r certificate.PKCS12Import) (certificate.Certificate, error)
	Export(ctx context.Context, author, id string, r certificate.ExportRequest) (certificate.Export, error)
}

// CertificateSchedule activates by other ways than at once and by id.
type CertificateSchedule interface {
	ForceActivate(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
	Revert(ctx context.Context, author string, force bool) (certificate.Certificate, error)
	Stage(ctx context.Context, author, id, ifMatch string, at time.Time, force bool) (certificate.Certificate, error)
	Unstage(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
}

// Certificate is one certificate with its chain; its private key is never shown (B41, B45).
type Certificate struct {
	// ID names the certificate; ids sort by age.
	ID string `json:"id" validate:"required"`
	// Label is an administrator's own words.
	Label string `json:"label,omitempty"`
	// Source says where the certificate comes from.
	Source certificate.Source `json:"source" validate:"required" swaggertype:"string" enums:"self_signed,demonstration,imported,csr,digital_id"`
	// State says whether it is the active one, of which there is at most one. A pending one has a key and a request, and waits for the certificate that an authority makes of it.
	State certificate.State `json:"state" validate:"required" swaggertype:"string" enums:"pending,inactive,active"`
	// Subject is the common name.
	Subject string `json:"subject,omitempty"`
	// Names are the DNS names and IP addresses that it is good for.
	Names []string `json:"names" validate:"required"`
	// Issuer is the distinguished name of the issuer.
	Issuer string `json:"issuer"`
	// SerialNumber in hexadecimal.
	SerialNumber string `json:"serial_number"`
	// NotBefore is when its validity begins; absent while it is pending.
	NotBefore *time.Time `json:"not_before,omitempty" format:"date-time"`
	// NotAfter is when its validity ends; absent while it is pending.
	NotAfter *time.Time `json:"not_after,omitempty" format:"date-time"`
	// KeyType is algorithm and size of the key.
	KeyType certificate.KeyType `json:"key_type" validate:"required" swaggertype:"string"`
	// Fingerprint is the SHA-256 of the certificate in hexadecimal.
	Fingerprint string `json:"fingerprint_sha256" validate:"required"`
	// PEM is the chain, the certificate first; empty while it is pending.
	PEM string `json:"pem" validate:"required"`
	// Insecure marks the demonstration certificate, which proves nothing (B52).
	Insecure bool `json:"insecure"`
	// Warnings say what does not forbid the certificate and yet may surprise.
	Warnings []string `json:"warnings" validate:"required"`
	// CreatedAt is when it came here.
	CreatedAt time.Time `json:"created_at" validate:"required" format:"date-time"`
	// CreatedBy is who made or imported it.
	CreatedBy string `json:"created_by"`
	// Activation is the number of its last activation; absent: never active.
	Activation int64 `json:"activation,omitempty"`
	// ActivatedAt is when it was last made the active one.
	ActivatedAt *time.Time `json:"activated_at,omitempty" format:"date-time"`
	// ActivatedBy is who did.
	ActivatedBy string `json:"activated_by,omitempty"`
	// StagedActivation is the activation that is to come.
	StagedActivation *StagedActivation `json:"staged_activation,omitempty"`
}

// StagedActivation is an activation at a time to come.
type StagedActivation struct {
	// ActivateAt is when it takes place.
	ActivateAt time.Time `json:"activate_at" validate:"required" format:"date-time"`
	// By is who asked for it.
	By string `json:"by"`
	// Force goes ahead even where published TLSA records do not match (B54).
	Force bool `json:"force"`
}

// SelfSignedRequest asks for a self-signed certificate (B42).
type SelfSignedRequest struct {
	// Label is an administrator's own words.
	Label string `json:"label,omitempty"`
	// HostName is the name of the gateway; it becomes the first of the names too.
	HostName string `json:"host_name" validate:"required"`
	// AlternativeNames are further DNS names, "*." for a wildcard, or IP addresses.
	AlternativeNames []string `json:"alternative_names,omitempty" maxItems:"100"`
	// Organization in the subject.
	Organization string `json:"organization,omitempty" maxLength:"64"`
	// Country in the subject, two letters.
	Country string `json:"country,omitempty" maxLength:"2"`
	// KeyType is algorithm and size of the new key; absent: ecdsa_p256.
	KeyType certificate.KeyType `json:"key_type,omitempty" swaggertype:"string" enums:"ecdsa_p256,ecdsa_p384,rsa_2048,rsa_3072,rsa_4096"`
	// ValidDays is how long it is valid; absent or 0: 397 days.
	ValidDays int `json:"valid_days,omitempty" minimum:"0" maximum:"3650"`
}

// CertificateImport is a certificate, its key and its chain as PEM text, in any order, in one field or spread over several (B44).
type CertificateImport struct {
	// Label is an administrator's own words.
	Label string `json:"label,omitempty"`
	// Certificate is PEM text.
	Certificate string `json:"certificate" validate:"required"`
	// PrivateKey is PEM text: PKCS #8, PKCS #1 or SEC 1; PKCS #8 also encrypted.
	PrivateKey string `json:"private_key,omitempty"`
	// Chain is PEM text of intermediate certificates.
	Chain []string `json:"chain,omitempty"`
	// Password of the private key, where it is encrypted.
	Password string `json:"password,omitempty" maxLength:"1024"`
}

func (a *API) certificatesOperations() []operation {
	const list, one = "/certificates", "/certificates/:id"
	return []operation{
		{http.MethodGet, list, "listCertificates", account.RoleViewer, append([]string{"sort"}, listQuery...), a.listCertificates},
		{http.MethodPost, list + "/self-signed", "createSelfSignedCertificate", account.RoleCertificateManager, nil, a.createSelfSignedCertificate},
		{http.MethodPost, list + "/import", "importCertificate", account.RoleCertificateManager, nil, a.importCertificate},
		{http.MethodGet, list + "/active", "getActiveCertificate", account.RoleViewer, nil, a.getActiveCertificate},
		{http.MethodGet, one, "getCertificate", account.RoleViewer, nil, a.getCertificate},
		{http.MethodDelete, one, "deleteCertificate", account.RoleCertificateManager, nil, a.deleteCertificate},
		{http.MethodPost, one + "/activate", "activateCertificate", account.RoleCertificateManager, activateQuery, a.activateCertificate},
	}
}

// listCertificates godoc
//
//	@Summary	List the certificates, oldest first
//	@ID			listCertificates
//	@Tags		Certificates
//	@Param		sort	query		string	false	"Oldest first, as without it, as ids sort by age; or with a minus newest first"	Enums(id, -id)
//	@Success	200		{object}	Page[Certificate]
//	@Router		/certificates [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listCertificates(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	descending, err := sortParam(c, "id", false)
	if err != nil {
		return err
	}
	// The service never returns more than a full page: the last place of the
	// largest page is given up to learn whether the list goes on.
	p.limit = min(p.limit, maxLimit-1)
	list := a.certificates.List
	if descending {
		list = a.certificates.ListNewest
	}
	found, err := list(c.Request().Context(), p.after, p.limit+1)
	if err != nil {
		return err
	}
	key := func(each certificate.Certificate) string { return each.ID }
	return writePage(c, p, found, key, func(each certificate.Certificate) (Certificate, error) {
		return showCertificate(each), nil
	})
}

func showCertificate(c certificate.Certificate) Certificate {
	shown := Certificate{
		ID: c.ID, Label: c.Label, Source: c.Source, State: c.State,
		Subject: c.Subject, Names: orEmpty(c.Names), Issuer: c.Issuer, SerialNumber: c.SerialNumber,
		KeyType: c.KeyType, Fingerprint: c.Fingerprint, PEM: c.PEM(),
		Insecure: c.Insecure, Warnings: orEmpty(c.Warnings),
		CreatedAt: c.CreatedAt, CreatedBy: c.CreatedBy,
		Activation: c.Activation, ActivatedBy: c.ActivatedBy,
	}
	if c.Activation > 0 {
		shown.ActivatedAt = &c.ActivatedAt
	}
	if len(c.Chain) > 0 {
		shown.NotBefore, shown.NotAfter = &c.NotBefore, &c.NotAfter
	}
	if s := c.Staged; s != nil {
		shown.StagedActivation = &StagedActivation{ActivateAt: s.At, By: s.By, Force: s.Force}
	}
	return shown
}

// getCertificate godoc
//
//	@Summary	Show a certificate with its chain
//	@ID			getCertificate
//	@Tags		Certificates
//	@Param		id	path		string	true	"Id of the certificate"
//	@Success	200	{object}	Certificate
//	@Router		/certificates/{id} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getCertificate(c echo.Context) error {
	found, err := a.certificates.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return replyTagged(c, found.ETag(), showCertificate(found))
}

// getActiveCertificate godoc
//
//	@Summary	Show the active certificate
//	@ID			getActiveCertificate
//	@Tags		Certificates
//	@Success	200	{object}	Certificate
//	@Router		/certificates/active [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getActiveCertificate(c echo.Context) error {
	found, err := a.certificates.Active(c.Request().Context())
	if err != nil {
		return err
	}
	return replyTagged(c, found.ETag(), showCertificate(found))
}

// createSelfSignedCertificate godoc
//
//	@Summary		Make a self-signed certificate
//	@Description	The key is made here and never leaves. The certificate is not activated (B42).
//	@ID				createSelfSignedCertificate
//	@Tags			Certificates
//	@Param			body	body		SelfSignedRequest	true	"What the certificate is to say"
//	@Success		201		{object}	Certificate
//	@Router			/certificates/self-signed [post]
//	@x-shape		"create"
//	@x-role			"certificate_manager"
func (a *API) createSelfSignedCertificate(c echo.Context) error {
	r, err := readJSON[SelfSignedRequest](c)
	if err != nil {
		return err
	}
	made, err := a.certificateWriter.CreateSelfSigned(c.Request().Context(), principalOf(c).Name, certificate.SelfSignedRequest(r))
	if err != nil {
		return err
	}
	return replyCertificate(c, http.StatusCreated, made)
}

// importCertificate godoc
//
//	@Summary		Import a certificate with its key
//	@Description	Key, chain order, validity, strength and names are checked; the certificate is not activated (B44).
//	@ID				importCertificate
//	@Tags			Certificates
//	@Param			body	body		CertificateImport	true	"PEM text"
//	@Success		201		{object}	Certificate
//	@Router			/certificates/import [post]
//	@x-shape		"create"
//	@x-role			"certificate_manager"
func (a *API) importCertificate(c echo.Context) error {
	r, err := readJSON[CertificateImport](c)
	if err != nil {
		return err
	}
	made, err := a.certificateWriter.ImportPEM(c.Request().Context(), principalOf(c).Name, certificate.ImportRequest(r))
	if err != nil {
		return err
	}
	return replyCertificate(c, http.StatusCreated, made)
}

func replyCertificate(c echo.Context, status int, shown certificate.Certificate) error {
	if status == http.StatusCreated {
		c.Response().Header().Set("Location", basePath+"/certificates/"+shown.ID)
	}
	setETag(c, shown.ETag())
	return reply(c, status, showCertificate(shown))
}

// activateCertificate godoc
//
//	@Summary		Make a certificate the active one
//	@Description	It serves every endpoint without a certificate of its own from the next handshake on; no session is closed. Committed at once, outside any draft (B41). Where TLSA records under DNSSEC are published for a listener and none matches the certificate, the activation is refused (B54).
//	@ID				activateCertificate
//	@Tags			Certificates
//	@Param			id		path		string	true	"Id of the certificate"
//	@Param			force	query		boolean	false	"Go ahead even where published TLSA records do not match"
//	@Success		200		{object}	Certificate
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Failure		422		{object}	Problem
//	@Router			/certificates/{id}/activate [post]
//	@x-shape		"activate"
//	@x-role			"certificate_manager"
func (a *API) activateCertificate(c echo.Context) error {
	wait, err := waitParam(c)
	if err != nil {
		return err
	}
	ifMatch, err := a.certificateMatch(c)
	if err != nil {
		return err
	}
	force, err := boolParam(c, "force")
	if err != nil {
		return err
	}
	activate := a.certificateWriter.Activate
	if force {
		activate = a.certificateSchedule.ForceActivate
	}
	active, err := activate(c.Request().Context(), principalOf(c).Name, c.Param("id"), ifMatch)
	if err != nil {
		return err
	}
	return a.replyActivated(c, active, wait)
}

// replyActivated waits for the activation as long as the caller wants, and says
// how far it came.
func (a *API) replyActivated(c echo.Context, active certificate.Certificate, wait time.Duration) error {
	if wait > 0 {
		waiting, cancel := waitContext(c, wait)
		defer cancel()
		// Not applied in time is no failure: the header says how far it came.
		_ = a.certificateWriter.WaitApplied(waiting, active.Activation)
	}
	header := c.Response().Header()
	header.Set("Activation-Committed", strconv.FormatInt(active.Activation, 10))
	header.Set("Activation-Applied", strconv.FormatInt(a.certificates.Applied(), 10))
	return replyCertificate(c, http.StatusOK, active)
}

// deleteCertificate godoc
//
//	@Summary		Delete a certificate and its key
//	@Description	A certificate that is active or bound is refused with the names of what uses it (B46).
//	@ID				deleteCertificate
//	@Tags			Certificates
//	@Param			id	path	string	true	"Id of the certificate"
//	@Success		204
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Failure		412	{object}	Problem
//	@Router			/certificates/{id} [delete]
//	@x-shape		"match"
//	@x-role			"certificate_manager"
func (a *API) deleteCertificate(c echo.Context) error {
	ifMatch, err := a.certificateMatch(c)
	if err != nil {
		return err
	}
	if _, err := a.certificateWriter.Delete(c.Request().Context(), principalOf(c).Name, c.Param("id"), ifMatch); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// certificateMatch holds If-Match against the certificate and returns the tag
// that the service is to hold it against again; empty without If-Match.
func (a *API) certificateMatch(c echo.Context) (string, error) {
	if c.Request().Header.Get("If-Match") == "" {
		return "", nil
	}
	current, err := a.certificates.Get(c.Request().Context(), c.Param("id"))
	exists := err == nil
	if err != nil && domain.KindOf(err) != domain.NotFound {
		return "", err
	}
	ifMatch, _, err := preconditions(c, current.ETag(), exists)
	return ifMatch, err
}
