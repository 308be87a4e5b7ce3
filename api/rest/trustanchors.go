package rest

import (
	"cmp"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// TrustAnchor is a certificate that is trusted beside the roots of the system (B23).
type TrustAnchor struct {
	// Name of the trust anchor.
	Name string `json:"name"`
	// Usage says what for: servers whose certificates chain to it, this one server, or clients whose certificates chain to it.
	Usage policy.TrustUsage `json:"usage" swaggertype:"string" enums:"authority,pinned_server,client_authority"`
	// Certificate is PEM text, one certificate or several.
	Certificate string `json:"certificate" maxLength:"262144"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
	// Details are what the certificates say of themselves; they are not read in requests.
	Details []TrustAnchorDetail `json:"details,omitempty"`
}

// TrustAnchorDetail is one certificate of a trust anchor.
type TrustAnchorDetail struct {
	// Subject is the distinguished name that the certificate is for.
	Subject string `json:"subject"`
	// NotAfter is the end of its validity.
	NotAfter time.Time `json:"not_after" format:"date-time"`
}

func newTrustAnchors(a *API) resource[TrustAnchor] {
	return resource[TrustAnchor]{
		api: a, kind: config.KindTrustAnchor, param: "name", key: nameKey,
		read: func(key string, t TrustAnchor) config.Value {
			return policy.TrustAnchor{Name: cmp.Or(t.Name, key), Usage: t.Usage, Certificate: t.Certificate, Description: t.Description}
		},
		show: func(v config.Value) TrustAnchor { return showTrustAnchor(v.(policy.TrustAnchor)) },
	}
}

func showTrustAnchor(a policy.TrustAnchor) TrustAnchor {
	shown := TrustAnchor{Name: a.Name, Usage: a.Usage, Certificate: a.Certificate, Description: a.Description}
	for _, c := range a.Certificates() {
		shown.Details = append(shown.Details, TrustAnchorDetail{Subject: c.Subject.String(), NotAfter: c.NotAfter.UTC()})
	}
	return shown
}

func (a *API) trustAnchorsOperations() []operation {
	const list, one = "/trust-anchors", "/trust-anchors/:name"
	return []operation{
		{http.MethodGet, list, "listTrustAnchors", account.RoleViewer, listQuery, a.listTrustAnchors},
		{http.MethodGet, one, "getTrustAnchor", account.RoleViewer, nil, a.getTrustAnchor},
		{http.MethodPut, one, "replaceTrustAnchor", account.RoleAdmin, writeQuery, a.replaceTrustAnchor},
		{http.MethodPatch, one, "patchTrustAnchor", account.RoleAdmin, writeQuery, a.patchTrustAnchor},
		{http.MethodDelete, one, "deleteTrustAnchor", account.RoleAdmin, writeQuery, a.deleteTrustAnchor},
	}
}

// listTrustAnchors godoc
//
//	@Summary	List the trust anchors
//	@ID		listTrustAnchors
//	@Tags		Certificates
//	@Success	200	{object}	Page[TrustAnchor]
//	@Router		/trust-anchors [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listTrustAnchors(c echo.Context) error { return a.trustAnchors.list(c) }

// getTrustAnchor godoc
//
//	@Summary	Show a trust anchor
//	@ID		getTrustAnchor
//	@Tags		Certificates
//	@Param		name	path	string	true	"Name of the trust anchor"
//	@Success	200	{object}	TrustAnchor
//	@Router		/trust-anchors/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getTrustAnchor(c echo.Context) error { return a.trustAnchors.get(c) }

// replaceTrustAnchor godoc
//
//	@Summary	Create or replace a trust anchor
//	@ID		replaceTrustAnchor
//	@Tags		Certificates
//	@Param		name	path	string	true	"Name of the trust anchor"
//	@Param		body	body	TrustAnchor	true	"The whole trust anchor; what is left out gets its default"
//	@Success	200	{object}	TrustAnchor
//	@Success	201	{object}	TrustAnchor
//	@Router		/trust-anchors/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceTrustAnchor(c echo.Context) error { return a.trustAnchors.put(c) }

// patchTrustAnchor godoc
//
//	@Summary	Change a trust anchor
//	@ID		patchTrustAnchor
//	@Tags		Certificates
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the trust anchor"
//	@Param		body	body	TrustAnchor	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	TrustAnchor
//	@Router		/trust-anchors/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchTrustAnchor(c echo.Context) error { return a.trustAnchors.patch(c) }

// deleteTrustAnchor godoc
//
//	@Summary	Delete a trust anchor
//	@ID		deleteTrustAnchor
//	@Tags		Certificates
//	@Param		name	path	string	true	"Name of the trust anchor"
//	@Success	204
//	@Router		/trust-anchors/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteTrustAnchor(c echo.Context) error { return a.trustAnchors.delete(c) }
