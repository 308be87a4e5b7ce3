package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// InspectionSettings say whether messages are shown to a MetaDefender Core before they are accepted (B34).
type InspectionSettings struct {
	// Enabled is whether messages are inspected. It needs a profile.
	Enabled bool `json:"enabled"`
	// Profile names the server profile of type core that is asked.
	Profile string `json:"profile" maxLength:"64"`
	// MaxMessageBytes is the largest message that is inspected; 0 is no limit beside that of the mail flow policy.
	MaxMessageBytes int64 `json:"max_message_bytes" minimum:"0" maximum:"1073741824"`
	// OnTooBig is what becomes of a larger one: reject answers 552, deliver lets it go on uninspected.
	OnTooBig policy.TooBig `json:"on_too_big" swaggertype:"string" enums:"reject,deliver"`
	// OnUnavailable is what becomes of a message on which no server gives a verdict in time: defer answers 451, deliver lets it go on uninspected.
	OnUnavailable policy.Unavailable `json:"on_unavailable" swaggertype:"string" enums:"defer,deliver"`
}

func newInspectionSettings(a *API) resource[InspectionSettings] {
	return resource[InspectionSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionInspection),
		read: func(_ string, s InspectionSettings) config.Value { return policy.InspectionSettings(s) },
		show: func(v config.Value) InspectionSettings { return InspectionSettings(v.(policy.InspectionSettings)) },
	}
}

func (a *API) inspectionSettingsOperations() []operation {
	const path = "/settings/inspection"
	return []operation{
		{http.MethodGet, path, "getInspectionSettings", account.RoleViewer, nil, a.getInspectionSettings},
		{http.MethodPut, path, "replaceInspectionSettings", account.RoleAdmin, writeQuery, a.replaceInspectionSettings},
		{http.MethodPatch, path, "patchInspectionSettings", account.RoleAdmin, writeQuery, a.patchInspectionSettings},
	}
}

// getInspectionSettings godoc
//
//	@Summary	Show the inspection settings
//	@ID		getInspectionSettings
//	@Tags		Settings
//	@Success	200	{object}	InspectionSettings
//	@Router		/settings/inspection [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getInspectionSettings(c echo.Context) error { return a.inspectionSettings.get(c) }

// replaceInspectionSettings godoc
//
//	@Summary	Replace the inspection settings
//	@ID		replaceInspectionSettings
//	@Tags		Settings
//	@Param		body	body	InspectionSettings	true	"The whole section"
//	@Success	200	{object}	InspectionSettings
//	@Router		/settings/inspection [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceInspectionSettings(c echo.Context) error { return a.inspectionSettings.put(c) }

// patchInspectionSettings godoc
//
//	@Summary	Change the inspection settings
//	@ID		patchInspectionSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	InspectionSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	InspectionSettings
//	@Router		/settings/inspection [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchInspectionSettings(c echo.Context) error { return a.inspectionSettings.patch(c) }
