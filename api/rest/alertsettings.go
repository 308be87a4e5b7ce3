package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// AlertSettings say how alerts leave the gateway, and when some are raised (B62).
type AlertSettings struct {
	// From is the sender of alert mail; absent: postern at the gateway's host name.
	From mailaddr.Mailbox `json:"from,omitzero" swaggertype:"string"`
	// SmartHost takes all alert mail, as host or host:port; absent: it goes to the mail exchangers of the recipients' domains.
	SmartHost string `json:"smart_host,omitempty" maxLength:"260"`
	// AllowPrivateWebhooks lets webhooks lead to addresses of this machine and of private networks.
	AllowPrivateWebhooks bool `json:"allow_private_webhooks"`
	// PlaintextShare says how much mail may go in clear, each way, before an alert of kind plaintext_share is raised.
	PlaintextShare policy.PlaintextShare `json:"plaintext_share"`
}

func newAlertSettings(a *API) resource[AlertSettings] {
	return resource[AlertSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionAlerts),
		read: func(_ string, s AlertSettings) config.Value { return policy.AlertSettings(s) },
		show: func(v config.Value) AlertSettings { return AlertSettings(v.(policy.AlertSettings)) },
	}
}

func (a *API) alertSettingsOperations() []operation {
	return []operation{
		{http.MethodGet, "/settings/alerts", "getAlertSettings", account.RoleViewer, nil, a.getAlertSettings},
		{http.MethodPut, "/settings/alerts", "replaceAlertSettings", account.RoleAdmin, writeQuery, a.replaceAlertSettings},
		{http.MethodPatch, "/settings/alerts", "patchAlertSettings", account.RoleAdmin, writeQuery, a.patchAlertSettings},
	}
}

// getAlertSettings godoc
//
//	@Summary	Show the alert settings
//	@ID		getAlertSettings
//	@Tags		Settings
//	@Success	200	{object}	AlertSettings
//	@Router		/settings/alerts [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getAlertSettings(c echo.Context) error { return a.alertSettings.get(c) }

// replaceAlertSettings godoc
//
//	@Summary	Replace the alert settings
//	@ID		replaceAlertSettings
//	@Tags		Settings
//	@Param		body	body	AlertSettings	true	"The whole section"
//	@Success	200	{object}	AlertSettings
//	@Router		/settings/alerts [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceAlertSettings(c echo.Context) error { return a.alertSettings.put(c) }

// patchAlertSettings godoc
//
//	@Summary	Change the alert settings
//	@ID		patchAlertSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	AlertSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	AlertSettings
//	@Router		/settings/alerts [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchAlertSettings(c echo.Context) error { return a.alertSettings.patch(c) }
