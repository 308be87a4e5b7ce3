package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/certificate"
)

// activateQuery are the query parameters of operations that activate.
var activateQuery = []string{"wait", "force"}

// CertificateStage asks for an activation at a time to come.
type CertificateStage struct {
	// ActivateAt is when it is to take place, at most 400 days ahead.
	ActivateAt time.Time `json:"activate_at" validate:"required" format:"date-time"`
	// Force goes ahead even where published TLSA records do not match then (B54).
	Force bool `json:"force,omitempty"`
}

// CertificateBindings are what uses a certificate (B46).
type CertificateBindings struct {
	// Active says that it serves every endpoint without a certificate of its own.
	Active bool `json:"active"`
	// Bindings are the endpoints that are bound to it by configuration.
	Bindings []string `json:"bindings" validate:"required"`
}

// CertificateProof is what the endpoints of this gateway serve at this moment (B51).
type CertificateProof struct {
	// Proven says that every endpoint which is to serve the certificate does.
	Proven bool `json:"proven"`
	// Endpoints are what was found, one for each endpoint and server name.
	Endpoints []ServedCertificate `json:"endpoints" validate:"required"`
}

// ServedCertificate is what one endpoint served when it was asked for one name.
type ServedCertificate struct {
	// Endpoint names it.
	Endpoint string `json:"endpoint" validate:"required"`
	// Address is where the gateway connected to itself.
	Address string `json:"address"`
	// ServerName is the name that was asked for (SNI); empty: none.
	ServerName string `json:"server_name"`
	// Expected says that this endpoint is to serve the certificate when asked for that name.
	Expected bool `json:"expected"`
	// Served says that it did.
	Served bool `json:"served"`
	// CertificateID is the id of the certificate that was served, where it is one of ours.
	CertificateID string `json:"certificate_id,omitempty"`
	// Fingerprint is the SHA-256 of the certificate that was served, in hexadecimal.
	Fingerprint string `json:"fingerprint_sha256,omitempty"`
	// TLSVersion is what was agreed on.
	TLSVersion string `json:"tls_version,omitempty"`
	// Problem says why nothing was served.
	Problem string `json:"problem,omitempty"`
}

// TLSARecords are what to publish in DNS for the key of a certificate (B54).
type TLSARecords struct {
	// Records, one for each listener.
	Records []TLSARecord `json:"records" validate:"required"`
}

// TLSARecord is one record to publish.
type TLSARecord struct {
	// Name of the record.
	Name string `json:"name" validate:"required"`
	// Data of the record: usage 3, selector 1, matching type 1, and the SHA-256 of the public key.
	Data string `json:"data" validate:"required"`
	// Line for a zone file.
	Line string `json:"line" validate:"required"`
}

func (a *API) certificateScheduleOperations() []operation {
	const list, one = "/certificates", "/certificates/:id"
	const role = account.RoleCertificateManager
	return []operation{
		{http.MethodPost, list + "/revert", "revertCertificate", role, activateQuery, a.revertCertificate},
		{http.MethodPut, one + "/staged-activation", "stageCertificate", role, nil, a.stageCertificate},
		{http.MethodDelete, one + "/staged-activation", "unstageCertificate", role, nil, a.unstageCertificate},
		{http.MethodGet, one + "/bindings", "getCertificateBindings", account.RoleViewer, nil, a.getCertificateBindings},
		{http.MethodGet, one + "/tlsa", "getCertificateTLSA", account.RoleViewer, nil, a.getCertificateTLSA},
		{http.MethodPost, one + "/proof", "proveCertificate", account.RoleOperator, nil, a.proveCertificate},
	}
}

// revertCertificate godoc
//
//	@Summary		Go back to the certificate that was active before
//	@Description	Called again, it goes forward again. The certificate must still be valid (B41).
//	@ID				revertCertificate
//	@Tags			Certificates
//	@Param			force	query		boolean	false	"Go ahead even where published TLSA records do not match"
//	@Success		200		{object}	Certificate
//	@Failure		409		{object}	Problem
//	@Router			/certificates/revert [post]
//	@x-shape		"revert"
//	@x-role			"certificate_manager"
func (a *API) revertCertificate(c echo.Context) error {
	wait, err := waitParam(c)
	if err != nil {
		return err
	}
	force, err := boolParam(c, "force")
	if err != nil {
		return err
	}
	active, err := a.certificateSchedule.Revert(c.Request().Context(), principalOf(c).Name, force)
	if err != nil {
		return err
	}
	return a.replyActivated(c, active, wait)
}

// stageCertificate godoc
//
//	@Summary		Activate a certificate at a time to come
//	@Description	It survives a restart; one whose time passes meanwhile takes place at the start. If it is refused when its time has come, it is given up and an alert is raised (B41).
//	@ID				stageCertificate
//	@Tags			Certificates
//	@Param			id		path		string				true	"Id of the certificate"
//	@Param			body	body		CertificateStage	true	"When"
//	@Success		200		{object}	Certificate
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Router			/certificates/{id}/staged-activation [put]
//	@x-shape		"install"
//	@x-role			"certificate_manager"
func (a *API) stageCertificate(c echo.Context) error {
	r, err := readJSON[CertificateStage](c)
	if err != nil {
		return err
	}
	ifMatch, err := a.certificateMatch(c)
	if err != nil {
		return err
	}
	staged, err := a.certificateSchedule.Stage(c.Request().Context(), principalOf(c).Name, c.Param("id"), ifMatch, r.ActivateAt, r.Force)
	if err != nil {
		return err
	}
	return replyCertificate(c, http.StatusOK, staged)
}

// unstageCertificate godoc
//
//	@Summary	Take a staged activation back
//	@ID			unstageCertificate
//	@Tags		Certificates
//	@Param		id	path	string	true	"Id of the certificate"
//	@Success	204
//	@Failure	404	{object}	Problem
//	@Failure	412	{object}	Problem
//	@Router		/certificates/{id}/staged-activation [delete]
//	@x-shape	"match"
//	@x-role		"certificate_manager"
func (a *API) unstageCertificate(c echo.Context) error {
	ifMatch, err := a.certificateMatch(c)
	if err != nil {
		return err
	}
	if _, err := a.certificateSchedule.Unstage(c.Request().Context(), principalOf(c).Name, c.Param("id"), ifMatch); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// getCertificateBindings godoc
//
//	@Summary	Show what uses a certificate
//	@ID			getCertificateBindings
//	@Tags		Certificates
//	@Param		id	path		string	true	"Id of the certificate"
//	@Success	200	{object}	CertificateBindings
//	@Router		/certificates/{id}/bindings [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getCertificateBindings(c echo.Context) error {
	found, err := a.certificates.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	shown := CertificateBindings{Active: found.State == certificate.Active, Bindings: orEmpty(a.snapshot().BoundTo(found.ID))}
	return replyTagged(c, tagOf(shown), shown)
}

// getCertificateTLSA godoc
//
//	@Summary		Show the TLSA records to publish for a certificate
//	@Description	Publish those of the next key beside those of the current one, and wait for the time to live of the old answer, before the next one is activated (B54). A pending certificate has them too.
//	@ID				getCertificateTLSA
//	@Tags			Certificates
//	@Param			id	path		string	true	"Id of the certificate"
//	@Success		200	{object}	TLSARecords
//	@Router			/certificates/{id}/tlsa [get]
//	@x-shape		"read"
//	@x-role			"viewer"
func (a *API) getCertificateTLSA(c echo.Context) error {
	found, err := a.certificates.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	record, err := found.TLSA()
	if err != nil {
		return err
	}
	shown := TLSARecords{Records: []TLSARecord{}}
	for _, owner := range a.snapshot().TLSAOwners(found.ID) {
		shown.Records = append(shown.Records, TLSARecord{
			Name: certificate.TLSAName(owner.Host, owner.Port), Data: record.String(), Line: record.Record(owner.Host, owner.Port),
		})
	}
	return replyTagged(c, tagOf(shown), shown)
}

// proveCertificate godoc
//
//	@Summary		Prove which certificate every endpoint serves
//	@Description	The gateway connects to each of its own endpoints (STARTTLS, implicit TLS, HTTPS), without a server name and with each name of the certificate, and reports what is served (B51).
//	@ID				proveCertificate
//	@Tags			Certificates
//	@Param			id	path		string	true	"Id of the certificate"
//	@Success		200	{object}	CertificateProof
//	@Failure		404	{object}	Problem
//	@Router			/certificates/{id}/proof [post]
//	@x-role			"operator"
func (a *API) proveCertificate(c echo.Context) error {
	found, err := a.certificates.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	proof := CertificateProof{Proven: true, Endpoints: []ServedCertificate{}}
	for _, s := range a.prove(c.Request().Context(), found) {
		proof.Proven = proof.Proven && (s.Served || !s.Expected)
		proof.Endpoints = append(proof.Endpoints, ServedCertificate{
			Endpoint: s.Endpoint, Address: s.Address, ServerName: s.ServerName, Expected: s.Expected, Served: s.Served,
			CertificateID: s.CertificateID, Fingerprint: s.Fingerprint, TLSVersion: s.TLSVersion, Problem: s.Problem,
		})
	}
	return reply(c, http.StatusOK, proof)
}

func noRequest(id string) error {
	return domain.E(domain.NotFound, "certificate %s was not made from a request", id)
}
