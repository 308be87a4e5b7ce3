package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// AlertRecipient is who hears of alerts, of which, and how (B62).
type AlertRecipient struct {
	// Name identifies the recipient, here and in the path.
	Name string `json:"name" maxLength:"64"`
	// Kind is how the recipient is told.
	Kind policy.AlertChannel `json:"kind" swaggertype:"string" enums:"mail,webhook"`
	// Address is where mail goes; for the kind mail alone.
	Address mailaddr.Mailbox `json:"address,omitzero" swaggertype:"string"`
	// URL is what alerts are posted to as JSON; for the kind webhook alone.
	URL string `json:"url,omitempty" maxLength:"2000"`
	// Types are the types that the recipient hears of; none stands for all.
	Types []policy.AlertType `json:"types" swaggertype:"array,string" enums:"system"`
	// MinSeverity is the mildest severity that the recipient hears of; absent: info, which is all.
	MinSeverity policy.AlertSeverity `json:"min_severity,omitempty" swaggertype:"string" enums:"info,warning,critical"`
	// Enabled is whether the recipient hears of anything; absent: true.
	Enabled *bool `json:"enabled,omitempty"`
	// SubjectPrefix stands before the subject of mail.
	SubjectPrefix string `json:"subject_prefix,omitempty" maxLength:"64"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
	// Secret signs what is posted to a webhook, as for webhooks of events. It is write-only: it is sealed and never shown. A write without it keeps the one that is stored; an empty text removes it.
	Secret *string `json:"secret,omitempty" format:"password" maxLength:"255"`
	// SecretSet says that a secret is stored; it is not read in requests.
	SecretSet bool `json:"secret_set,omitempty" readonly:"true"`

	secretID string // of the sealed secret
}

func newAlertRecipients(a *API) resource[AlertRecipient] {
	return resource[AlertRecipient]{
		api: a, kind: config.KindAlertRecipient, param: "name", key: nameKey,
		read:   readAlertRecipient,
		show:   func(v config.Value) AlertRecipient { return showAlertRecipient(v.(policy.AlertRecipient)) },
		seal:   sealAlertRecipient,
		claims: func(r AlertRecipient) []string { return claimed("/secret", r.SecretSet) },
	}
}

func readAlertRecipient(key string, r AlertRecipient) config.Value {
	if r.Name == "" {
		r.Name = key
	}
	return policy.AlertRecipient{
		Name: r.Name, Channel: r.Kind, Address: r.Address, URL: r.URL, Types: r.Types, MinSeverity: r.MinSeverity,
		Enabled: r.Enabled == nil || *r.Enabled, SubjectPrefix: r.SubjectPrefix, Description: r.Description,
		SecretID: r.secretID,
	}
}

// sealAlertRecipient puts the reference to the secret into the document. One that
// is left out stays, unless the recipient became one of mail.
func sealAlertRecipient(r AlertRecipient, current config.Value, keep keeper) (_ AlertRecipient, faults domain.Faults, err error) {
	stored, _ := current.(policy.AlertRecipient)
	if r.Kind == policy.ChannelMail {
		stored.SecretID = ""
	}
	r.secretID, faults, err = sealWebhookSecret(r.Secret, stored.SecretID, keep)
	r.Secret = nil
	return r, faults, err
}

func showAlertRecipient(r policy.AlertRecipient) AlertRecipient {
	return AlertRecipient{
		Name: r.Name, Kind: r.Channel, Address: r.Address, URL: r.URL, Types: orEmpty(r.Types), MinSeverity: r.MinSeverity,
		Enabled: &r.Enabled, SubjectPrefix: r.SubjectPrefix, Description: r.Description, SecretSet: r.SecretID != "",
	}
}

func (a *API) alertRecipientsOperations() []operation {
	const list, one = "/alert-recipients", "/alert-recipients/:name"
	return []operation{
		{http.MethodGet, list, "listAlertRecipients", account.RoleViewer, listQuery, a.listAlertRecipients},
		{http.MethodGet, one, "getAlertRecipient", account.RoleViewer, nil, a.getAlertRecipient},
		{http.MethodPut, one, "replaceAlertRecipient", account.RoleAdmin, writeQuery, a.replaceAlertRecipient},
		{http.MethodPatch, one, "patchAlertRecipient", account.RoleAdmin, writeQuery, a.patchAlertRecipient},
		{http.MethodDelete, one, "deleteAlertRecipient", account.RoleAdmin, writeQuery, a.deleteAlertRecipient},
	}
}

// listAlertRecipients godoc
//
//	@Summary	List the recipients of alerts
//	@ID		listAlertRecipients
//	@Tags		Alerts
//	@Success	200	{object}	Page[AlertRecipient]
//	@Router		/alert-recipients [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listAlertRecipients(c echo.Context) error { return a.alertRecipients.list(c) }

// getAlertRecipient godoc
//
//	@Summary	Show a recipient of alerts
//	@ID		getAlertRecipient
//	@Tags		Alerts
//	@Param		name	path	string	true	"Name of the recipient"
//	@Success	200	{object}	AlertRecipient
//	@Router		/alert-recipients/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getAlertRecipient(c echo.Context) error { return a.alertRecipients.get(c) }

// replaceAlertRecipient godoc
//
//	@Summary	Create or replace a recipient of alerts
//	@ID		replaceAlertRecipient
//	@Tags		Alerts
//	@Param		name	path	string	true	"Name of the recipient"
//	@Param		body	body	AlertRecipient	true	"The whole recipient; what is left out gets its default"
//	@Success	200	{object}	AlertRecipient
//	@Success	201	{object}	AlertRecipient
//	@Router		/alert-recipients/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceAlertRecipient(c echo.Context) error { return a.alertRecipients.put(c) }

// patchAlertRecipient godoc
//
//	@Summary	Change a recipient of alerts
//	@ID		patchAlertRecipient
//	@Tags		Alerts
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the recipient"
//	@Param		body	body	AlertRecipient	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	AlertRecipient
//	@Router		/alert-recipients/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchAlertRecipient(c echo.Context) error { return a.alertRecipients.patch(c) }

// deleteAlertRecipient godoc
//
//	@Summary	Delete a recipient of alerts
//	@ID		deleteAlertRecipient
//	@Tags		Alerts
//	@Param		name	path	string	true	"Name of the recipient"
//	@Success	204
//	@Router		/alert-recipients/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteAlertRecipient(c echo.Context) error { return a.alertRecipients.delete(c) }
