package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// MTASTSSettings are the switches of MTA-STS (B5).
type MTASTSSettings struct {
	// Enabled has the MTA-STS policies of recipient domains looked up and obeyed (B60).
	Enabled bool `json:"enabled"`
}

func newMTASTSSettings(a *API) resource[MTASTSSettings] {
	return resource[MTASTSSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionMTASTS),
		read: func(_ string, s MTASTSSettings) config.Value { return policy.MTASTSSettings(s) },
		show: func(v config.Value) MTASTSSettings { return MTASTSSettings(v.(policy.MTASTSSettings)) },
	}
}

func (a *API) mtastsSettingsOperations() []operation {
	const path = "/settings/mta_sts"
	return []operation{
		{http.MethodGet, path, "getMTASTSSettings", account.RoleViewer, nil, a.getMTASTSSettings},
		{http.MethodPut, path, "replaceMTASTSSettings", account.RoleAdmin, writeQuery, a.replaceMTASTSSettings},
		{http.MethodPatch, path, "patchMTASTSSettings", account.RoleAdmin, writeQuery, a.patchMTASTSSettings},
	}
}

// getMTASTSSettings godoc
//
//	@Summary	Show the MTA-STS settings
//	@ID			getMTASTSSettings
//	@Tags		Settings
//	@Success	200	{object}	MTASTSSettings
//	@Router		/settings/mta_sts [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getMTASTSSettings(c echo.Context) error { return a.mtastsSettings.get(c) }

// replaceMTASTSSettings godoc
//
//	@Summary	Replace the MTA-STS settings
//	@ID			replaceMTASTSSettings
//	@Tags		Settings
//	@Param		body	body		MTASTSSettings	true	"The whole section"
//	@Success	200		{object}	MTASTSSettings
//	@Router		/settings/mta_sts [put]
//	@x-shape	"replace"
//	@x-role		"admin"
func (a *API) replaceMTASTSSettings(c echo.Context) error { return a.mtastsSettings.put(c) }

// patchMTASTSSettings godoc
//
//	@Summary	Change the MTA-STS settings
//	@ID			patchMTASTSSettings
//	@Tags		Settings
//	@Accept		application/merge-patch+json
//	@Param		body	body		MTASTSSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200		{object}	MTASTSSettings
//	@Router		/settings/mta_sts [patch]
//	@x-shape	"patch"
//	@x-role		"admin"
func (a *API) patchMTASTSSettings(c echo.Context) error { return a.mtastsSettings.patch(c) }
