package rest

import (
	"cmp"
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// Webhook is an address to which events are posted, signed as Standard Webhooks has it.
type Webhook struct {
	// Name identifies the webhook, here and in the path.
	Name string `json:"name" maxLength:"64"`
	// URL is what events are posted to as JSON: https, or http to this machine. Addresses of private networks need allow_private_webhooks in the alert settings.
	URL string `json:"url" maxLength:"2000"`
	// Types are the event types that it gets, or all of a part as certificate.*; none stands for all.
	Types []string `json:"types" maxItems:"50"`
	// Secret signs what is posted: whsec_ and base64, or any text, of 24 to 64 octets. It is write-only: it is sealed and never shown. A write without it keeps the one that is stored.
	Secret *string `json:"secret,omitempty" format:"password" maxLength:"255"`
	// SecretSet says that a secret is stored; it is not read in requests.
	SecretSet bool `json:"secret_set,omitempty" readonly:"true"`
	// Enabled is whether events are posted; absent: true. One that is switched on again gets what happened meanwhile.
	Enabled *bool `json:"enabled,omitempty"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`

	secretID string // of the sealed secret
}

func newWebhooks(a *API) resource[Webhook] {
	return resource[Webhook]{
		api: a, kind: config.KindWebhook, param: "name", key: nameKey,
		read: func(key string, w Webhook) config.Value {
			return policy.Webhook{
				Name: cmp.Or(w.Name, key), URL: w.URL, Types: w.Types, SecretID: w.secretID,
				Enabled: w.Enabled == nil || *w.Enabled, Description: w.Description,
			}
		},
		show:   func(v config.Value) Webhook { return showWebhook(v.(policy.Webhook)) },
		seal:   sealWebhook,
		claims: func(w Webhook) []string { return claimed("/secret", w.SecretSet) },
	}
}

func sealWebhook(w Webhook, current config.Value, keep keeper) (_ Webhook, faults domain.Faults, err error) {
	stored, _ := current.(policy.Webhook)
	w.secretID, faults, err = sealWebhookSecret(w.Secret, stored.SecretID, keep)
	w.Secret = nil
	return w, faults, err
}

func showWebhook(w policy.Webhook) Webhook {
	return Webhook{
		Name: w.Name, URL: w.URL, Types: orEmpty(w.Types), SecretSet: w.SecretID != "",
		Enabled: &w.Enabled, Description: w.Description,
	}
}

// sealWebhookSecret returns the reference to the secret: to the stored one where
// none is given or the same, else to a new one; empty for an empty text.
func sealWebhookSecret(secret *string, stored string, keep keeper) (id string, faults domain.Faults, err error) {
	switch {
	case secret == nil:
		return stored, nil, nil
	case *secret == "":
		return "", nil, nil
	}
	if _, err := policy.WebhookKey(*secret); err != nil {
		faults.Add("/secret", "%s", err)
	}
	id, err = keep(*secret, stored)
	return id, faults, err
}

func (a *API) webhooksOperations() []operation {
	const list, one = "/webhooks", "/webhooks/:name"
	return []operation{
		{http.MethodGet, list, "listWebhooks", account.RoleViewer, listQuery, a.listWebhooks},
		{http.MethodGet, one, "getWebhook", account.RoleViewer, nil, a.getWebhook},
		{http.MethodPut, one, "replaceWebhook", account.RoleAdmin, writeQuery, a.replaceWebhook},
		{http.MethodPatch, one, "patchWebhook", account.RoleAdmin, writeQuery, a.patchWebhook},
		{http.MethodDelete, one, "deleteWebhook", account.RoleAdmin, writeQuery, a.deleteWebhook},
	}
}

// listWebhooks godoc
//
//	@Summary	List the webhooks
//	@ID		listWebhooks
//	@Tags		Events
//	@Success	200	{object}	Page[Webhook]
//	@Router		/webhooks [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listWebhooks(c echo.Context) error { return a.webhooks.list(c) }

// getWebhook godoc
//
//	@Summary	Show a webhook
//	@ID		getWebhook
//	@Tags		Events
//	@Param		name	path	string	true	"Name of the webhook"
//	@Success	200	{object}	Webhook
//	@Router		/webhooks/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getWebhook(c echo.Context) error { return a.webhooks.get(c) }

// replaceWebhook godoc
//
//	@Summary		Create or replace a webhook
//	@Description	A new one gets what happens from now on. Events are posted in order, one at a time, each until the answer is 2xx, so that they arrive at least once: the header webhook-id is the same for each try. After a failure the pauses are 5 seconds, 30 seconds, 2, 10 and 30 minutes, and then an hour, a little more or less. While the receiver cannot be reached or answers 5xx, 408 or 429, events wait for it as long as they are kept; one that it refuses by another status six times is given up, and can be replayed. A webhook that fails for an hour, or gives up an event, raises an alert.
//	@ID				replaceWebhook
//	@Tags			Events
//	@Param			name	path	string	true	"Name of the webhook"
//	@Param			body	body	Webhook	true	"The whole webhook; what is left out gets its default"
//	@Success		200		{object}	Webhook
//	@Success		201		{object}	Webhook
//	@Router			/webhooks/{name} [put]
//	@x-shape		"replace"
//	@x-role			"admin"
func (a *API) replaceWebhook(c echo.Context) error { return a.webhooks.put(c) }

// patchWebhook godoc
//
//	@Summary	Change a webhook
//	@ID		patchWebhook
//	@Tags		Events
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the webhook"
//	@Param		body	body	Webhook	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	Webhook
//	@Router		/webhooks/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchWebhook(c echo.Context) error { return a.webhooks.patch(c) }

// deleteWebhook godoc
//
//	@Summary	Delete a webhook, with what is known of its deliveries
//	@ID		deleteWebhook
//	@Tags		Events
//	@Param		name	path	string	true	"Name of the webhook"
//	@Success	204
//	@Router		/webhooks/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteWebhook(c echo.Context) error { return a.webhooks.delete(c) }
