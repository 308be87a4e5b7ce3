package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/certificate"
)

// CertificateRequest asks for a key, which never leaves, and a request for an authority to sign (B43).
type CertificateRequest struct {
	// Label is an administrator's own words.
	Label string `json:"label,omitempty"`
	// HostName is the name of the gateway; it becomes the first of the names too.
	HostName string `json:"host_name" validate:"required"`
	// AlternativeNames are further DNS names, "*." for a wildcard, or IP addresses.
	AlternativeNames []string `json:"alternative_names,omitempty" maxItems:"100"`
	// Organization in the subject.
	Organization string `json:"organization,omitempty" maxLength:"64"`
	// Locality in the subject: the city.
	Locality string `json:"locality,omitempty" maxLength:"64"`
	// Province in the subject: the state or province, written out.
	Province string `json:"province,omitempty" maxLength:"64"`
	// Country in the subject, two letters.
	Country string `json:"country,omitempty" maxLength:"2"`
	// KeyType is algorithm and size of the new key; absent: ecdsa_p256.
	KeyType certificate.KeyType `json:"key_type,omitempty" swaggertype:"string" enums:"ecdsa_p256,ecdsa_p384,rsa_2048,rsa_3072,rsa_4096"`
}

// CertificateRequestText is a certificate request to hand to an authority.
type CertificateRequestText struct {
	// PEM is the request (RFC 2986).
	PEM string `json:"pem" validate:"required"`
}

// SignedCertificate is what the authority made of a request, as PEM text, in any order.
type SignedCertificate struct {
	// Certificate is PEM text.
	Certificate string `json:"certificate" validate:"required"`
	// Chain is PEM text of intermediate certificates.
	Chain []string `json:"chain,omitempty"`
}

// PKCS12Import is a PKCS #12 file (PFX): a key, its certificate and its chain, under a password (B44).
type PKCS12Import struct {
	// Label is an administrator's own words.
	Label string `json:"label,omitempty"`
	// PKCS12 is the file, in base64.
	PKCS12 []byte `json:"pkcs12" validate:"required" swaggertype:"string" format:"byte"`
	// Password of the file.
	Password string `json:"password,omitempty" maxLength:"1024"`
}

// CertificateExport says how a certificate is to leave together with its private key (B45).
type CertificateExport struct {
	// Format of the export.
	Format certificate.ExportFormat `json:"format" validate:"required" swaggertype:"string" enums:"pem,pkcs12"`
	// Password encrypts the private key; PKCS #12 needs one.
	Password string `json:"password,omitempty" maxLength:"1024"`
	// Unencrypted leaves the private key in clear; PEM only, and only without a password.
	Unencrypted bool `json:"unencrypted,omitempty"`
	// Legacy writes PKCS #12 with 3DES, for old programs only.
	Legacy bool `json:"legacy,omitempty"`
}

// ExportedCertificate is a certificate with its chain and its private key.
type ExportedCertificate struct {
	// Format of the export.
	Format certificate.ExportFormat `json:"format" validate:"required" swaggertype:"string" enums:"pem,pkcs12"`
	// PEM is the private key and the chain, the certificate first.
	PEM string `json:"pem,omitempty"`
	// PKCS12 is the file, in base64.
	PKCS12 []byte `json:"pkcs12,omitempty" swaggertype:"string" format:"byte"`
}

func (a *API) certificateFilesOperations() []operation {
	const list, one = "/certificates", "/certificates/:id"
	const role = account.RoleCertificateManager
	return []operation{
		{http.MethodPost, list + "/csr", "createCertificateRequest", role, nil, a.createCertificateRequest},
		{http.MethodPost, list + "/import-pkcs12", "importPKCS12", role, nil, a.importPKCS12},
		{http.MethodGet, one + "/csr", "getCertificateRequest", account.RoleViewer, nil, a.getCertificateRequest},
		{http.MethodPut, one + "/signed-certificate", "putSignedCertificate", role, nil, a.putSignedCertificate},
		{http.MethodPost, one + "/export", "exportCertificate", role, nil, a.exportCertificate},
	}
}

// createCertificateRequest godoc
//
//	@Summary		Make a key and a certificate request
//	@Description	The key is made here and never leaves. The certificate is pending until the signed one is installed; to cancel, delete it (B43).
//	@ID				createCertificateRequest
//	@Tags			Certificates
//	@Param			body	body		CertificateRequest	true	"What the certificate is to say"
//	@Success		201		{object}	Certificate
//	@Router			/certificates/csr [post]
//	@x-shape		"create"
//	@x-role			"certificate_manager"
func (a *API) createCertificateRequest(c echo.Context) error {
	r, err := readJSON[CertificateRequest](c)
	if err != nil {
		return err
	}
	made, err := a.certificateFiles.CreateRequest(c.Request().Context(), principalOf(c).Name, certificate.SigningRequest(r))
	if err != nil {
		return err
	}
	return replyCertificate(c, http.StatusCreated, made)
}

// getCertificateRequest godoc
//
//	@Summary	Show the certificate request to hand to an authority
//	@ID			getCertificateRequest
//	@Tags		Certificates
//	@Param		id	path		string	true	"Id of the certificate"
//	@Success	200	{object}	CertificateRequestText
//	@Router		/certificates/{id}/csr [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getCertificateRequest(c echo.Context) error {
	found, err := a.certificates.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	text := found.RequestPEM()
	if text == "" {
		return noRequest(found.ID)
	}
	shown := CertificateRequestText{PEM: text}
	return replyTagged(c, tagOf(shown), shown)
}

// putSignedCertificate godoc
//
//	@Summary		Install the certificate that an authority made of the request
//	@Description	It must be for the key that was made here. Chain order, validity, strength and names are checked; the certificate is not activated (B43).
//	@ID				putSignedCertificate
//	@Tags			Certificates
//	@Param			id		path		string				true	"Id of the pending certificate"
//	@Param			body	body		SignedCertificate	true	"PEM text"
//	@Success		200		{object}	Certificate
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Router			/certificates/{id}/signed-certificate [put]
//	@x-shape		"install"
//	@x-role			"certificate_manager"
func (a *API) putSignedCertificate(c echo.Context) error {
	r, err := readJSON[SignedCertificate](c)
	if err != nil {
		return err
	}
	ifMatch, err := a.certificateMatch(c)
	if err != nil {
		return err
	}
	installed, err := a.certificateFiles.InstallSigned(c.Request().Context(), principalOf(c).Name, c.Param("id"), ifMatch, certificate.SignedCertificate(r))
	if err != nil {
		return err
	}
	return replyCertificate(c, http.StatusOK, installed)
}

// importPKCS12 godoc
//
//	@Summary		Import a PKCS #12 file
//	@Description	RC2, 3DES and AES are read. Password, key, chain order, validity, strength and names are checked; the certificate is not activated (B44).
//	@ID				importPKCS12
//	@Tags			Certificates
//	@Param			body	body		PKCS12Import	true	"The file"
//	@Success		201		{object}	Certificate
//	@Router			/certificates/import-pkcs12 [post]
//	@x-shape		"create"
//	@x-role			"certificate_manager"
func (a *API) importPKCS12(c echo.Context) error {
	r, err := readJSON[PKCS12Import](c)
	if err != nil {
		return err
	}
	made, err := a.certificateFiles.ImportPKCS12(c.Request().Context(), principalOf(c).Name,
		certificate.PKCS12Import{Label: r.Label, Data: r.PKCS12, Password: r.Password})
	if err != nil {
		return err
	}
	return replyCertificate(c, http.StatusCreated, made)
}

// exportCertificate godoc
//
//	@Summary		Export a certificate with its private key
//	@Description	The private key leaves by this call alone. It is encrypted by the password (AES-256), unless `unencrypted` says otherwise. That it was done is written to the log of events before (B45). Without the key, every certificate shows its chain to readers.
//	@ID				exportCertificate
//	@Tags			Certificates
//	@Param			id		path		string				true	"Id of the certificate"
//	@Param			body	body		CertificateExport	true	"The form of the export"
//	@Success		200		{object}	ExportedCertificate
//	@Failure		409		{object}	Problem
//	@Router			/certificates/{id}/export [post]
//	@x-shape		"ask"
//	@x-role			"certificate_manager"
func (a *API) exportCertificate(c echo.Context) error {
	r, err := readJSON[CertificateExport](c)
	if err != nil {
		return err
	}
	exported, err := a.certificateFiles.Export(c.Request().Context(), principalOf(c).Name, c.Param("id"), certificate.ExportRequest{
		As: r.Format, Password: r.Password, Unencrypted: r.Unencrypted, Legacy: r.Legacy,
	})
	if err != nil {
		return err
	}
	shown := ExportedCertificate{Format: r.Format}
	if r.Format == certificate.FormatPKCS12 {
		shown.PKCS12 = exported.Data
	} else {
		shown.PEM = string(exported.Data)
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return reply(c, http.StatusOK, shown)
}
