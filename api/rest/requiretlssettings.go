package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// RequireTLSSettings are the switches of REQUIRETLS (B4).
type RequireTLSSettings struct {
	// Enabled is the master switch. Off: REQUIRETLS is not offered, nothing is flagged, +requiretls is a part of an address like any other, and TLS-Required: No lifts nothing.
	Enabled bool `json:"enabled"`
	// StripTag takes +requiretls off the address, wherever among its tags it stands, before the mail is sent on (B55).
	StripTag bool `json:"strip_tag"`
}

func newRequireTLSSettings(a *API) resource[RequireTLSSettings] {
	return resource[RequireTLSSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionRequireTLS),
		read: func(_ string, s RequireTLSSettings) config.Value { return policy.RequireTLSSettings(s) },
		show: func(v config.Value) RequireTLSSettings { return RequireTLSSettings(v.(policy.RequireTLSSettings)) },
	}
}

func (a *API) requireTLSSettingsOperations() []operation {
	const path = "/settings/requiretls"
	return []operation{
		{http.MethodGet, path, "getRequireTLSSettings", account.RoleViewer, nil, a.getRequireTLSSettings},
		{http.MethodPut, path, "replaceRequireTLSSettings", account.RoleAdmin, writeQuery, a.replaceRequireTLSSettings},
		{http.MethodPatch, path, "patchRequireTLSSettings", account.RoleAdmin, writeQuery, a.patchRequireTLSSettings},
	}
}

// getRequireTLSSettings godoc
//
//	@Summary	Show the REQUIRETLS settings
//	@ID			getRequireTLSSettings
//	@Tags		Settings
//	@Success	200	{object}	RequireTLSSettings
//	@Router		/settings/requiretls [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getRequireTLSSettings(c echo.Context) error { return a.requireTLSSettings.get(c) }

// replaceRequireTLSSettings godoc
//
//	@Summary	Replace the REQUIRETLS settings
//	@ID			replaceRequireTLSSettings
//	@Tags		Settings
//	@Param		body	body		RequireTLSSettings	true	"The whole section"
//	@Success	200		{object}	RequireTLSSettings
//	@Router		/settings/requiretls [put]
//	@x-shape	"replace"
//	@x-role		"admin"
func (a *API) replaceRequireTLSSettings(c echo.Context) error { return a.requireTLSSettings.put(c) }

// patchRequireTLSSettings godoc
//
//	@Summary	Change the REQUIRETLS settings
//	@ID			patchRequireTLSSettings
//	@Tags		Settings
//	@Accept		application/merge-patch+json
//	@Param		body	body		RequireTLSSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200		{object}	RequireTLSSettings
//	@Router		/settings/requiretls [patch]
//	@x-shape	"patch"
//	@x-role		"admin"
func (a *API) patchRequireTLSSettings(c echo.Context) error { return a.requireTLSSettings.patch(c) }
