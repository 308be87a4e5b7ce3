package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// WebEndpoint is an address on which HTTP or HTTPS is served.
type WebEndpoint struct {
	// Enabled is whether it is served.
	Enabled bool `json:"enabled"`
	// Address is an IP address of this machine; empty: every address.
	Address string `json:"address" maxLength:"64"`
	// Port of the address; 0: the system chooses.
	Port int `json:"port" minimum:"0" maximum:"65535"`
}

// PublicWebSettings are the public web listener: what the Internet may ask by HTTP (B50).
type PublicWebSettings struct {
	// HTTP answers in clear; certification authorities ask at port 80.
	HTTP WebEndpoint `json:"http"`
	// HTTPS is served while `tls.enabled` is on.
	HTTPS WebEndpoint `json:"https"`
	// CertificateID is what HTTPS shows for a name that no certificate covers; empty: the active one.
	CertificateID string `json:"certificate_id" maxLength:"64"`
}

// ManagementSettings are the HTTPS side of the management listener, which is served while `tls.enabled` is on.
type ManagementSettings struct {
	// HTTPS is where. The clear side stays on loopback and is set at the start of the program.
	HTTPS WebEndpoint `json:"https"`
	// CertificateID is what it shows; empty: the active one.
	CertificateID string `json:"certificate_id" maxLength:"64"`
}

func newPublicWebSettings(a *API) resource[PublicWebSettings] {
	return resource[PublicWebSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionPublicWeb),
		read: func(_ string, s PublicWebSettings) config.Value { return readPublicWeb(s) },
		show: func(v config.Value) PublicWebSettings { return showPublicWeb(v.(policy.PublicWebSettings)) },
	}
}

func readPublicWeb(s PublicWebSettings) policy.PublicWebSettings {
	return policy.PublicWebSettings{
		HTTP: policy.WebEndpoint(s.HTTP), HTTPS: policy.WebEndpoint(s.HTTPS), CertificateID: s.CertificateID,
	}
}

func showPublicWeb(s policy.PublicWebSettings) PublicWebSettings {
	return PublicWebSettings{HTTP: WebEndpoint(s.HTTP), HTTPS: WebEndpoint(s.HTTPS), CertificateID: s.CertificateID}
}

func newManagementSettings(a *API) resource[ManagementSettings] {
	return resource[ManagementSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionManagement),
		read: func(_ string, s ManagementSettings) config.Value { return readManagement(s) },
		show: func(v config.Value) ManagementSettings { return showManagement(v.(policy.ManagementSettings)) },
	}
}

func readManagement(s ManagementSettings) policy.ManagementSettings {
	return policy.ManagementSettings{HTTPS: policy.WebEndpoint(s.HTTPS), CertificateID: s.CertificateID}
}

func showManagement(s policy.ManagementSettings) ManagementSettings {
	return ManagementSettings{HTTPS: WebEndpoint(s.HTTPS), CertificateID: s.CertificateID}
}

func (a *API) publicWebSettingsOperations() []operation {
	const path = "/settings/public_web"
	return []operation{
		{http.MethodGet, path, "getPublicWebSettings", account.RoleViewer, nil, a.getPublicWebSettings},
		{http.MethodPut, path, "replacePublicWebSettings", account.RoleAdmin, writeQuery, a.replacePublicWebSettings},
		{http.MethodPatch, path, "patchPublicWebSettings", account.RoleAdmin, writeQuery, a.patchPublicWebSettings},
	}
}

// getPublicWebSettings godoc
//
//	@Summary	Show the settings of the public web listener
//	@ID		getPublicWebSettings
//	@Tags		Settings
//	@Success	200	{object}	PublicWebSettings
//	@Router		/settings/public_web [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getPublicWebSettings(c echo.Context) error { return a.publicWebSettings.get(c) }

// replacePublicWebSettings godoc
//
//	@Summary	Replace the settings of the public web listener
//	@ID		replacePublicWebSettings
//	@Tags		Settings
//	@Param		body	body	PublicWebSettings	true	"The whole section"
//	@Success	200	{object}	PublicWebSettings
//	@Router		/settings/public_web [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replacePublicWebSettings(c echo.Context) error { return a.publicWebSettings.put(c) }

// patchPublicWebSettings godoc
//
//	@Summary	Change the settings of the public web listener
//	@ID		patchPublicWebSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	PublicWebSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	PublicWebSettings
//	@Router		/settings/public_web [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchPublicWebSettings(c echo.Context) error { return a.publicWebSettings.patch(c) }

func (a *API) managementSettingsOperations() []operation {
	const path = "/settings/management"
	return []operation{
		{http.MethodGet, path, "getManagementSettings", account.RoleViewer, nil, a.getManagementSettings},
		{http.MethodPut, path, "replaceManagementSettings", account.RoleAdmin, writeQuery, a.replaceManagementSettings},
		{http.MethodPatch, path, "patchManagementSettings", account.RoleAdmin, writeQuery, a.patchManagementSettings},
	}
}

// getManagementSettings godoc
//
//	@Summary	Show the settings of the management listener
//	@ID		getManagementSettings
//	@Tags		Settings
//	@Success	200	{object}	ManagementSettings
//	@Router		/settings/management [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getManagementSettings(c echo.Context) error { return a.managementSettings.get(c) }

// replaceManagementSettings godoc
//
//	@Summary	Replace the settings of the management listener
//	@ID		replaceManagementSettings
//	@Tags		Settings
//	@Param		body	body	ManagementSettings	true	"The whole section"
//	@Success	200	{object}	ManagementSettings
//	@Router		/settings/management [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceManagementSettings(c echo.Context) error { return a.managementSettings.put(c) }

// patchManagementSettings godoc
//
//	@Summary	Change the settings of the management listener
//	@ID		patchManagementSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	ManagementSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	ManagementSettings
//	@Router		/settings/management [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchManagementSettings(c echo.Context) error { return a.managementSettings.patch(c) }
