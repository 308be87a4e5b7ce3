package rest

import (
	"cmp"
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// CoreProfile is a MetaDefender Core, or several that stand in for each other, with all that is needed to ask it about content (B32, B34).
type CoreProfile struct {
	// Name of the profile, by which the inspection settings refer to it.
	Name string `json:"name"`
	// URIs are where the REST interface begins, as https://core.example:8008. Mail goes in clear to http ones.
	URIs []string `json:"uris" minItems:"1" maxItems:"10"`
	// Preference says in what order the URIs are used; absent: failover.
	Preference policy.ServerPreference `json:"preference,omitempty" swaggertype:"string" enums:"failover,round_robin"`
	// Verify says that the certificate must be trusted and be for the host of the URI; absent: true.
	Verify *bool `json:"verify,omitempty"`
	// APIKey is write-only: it is sealed and never shown. A write without it keeps the one that is stored; an empty text removes it.
	APIKey *string `json:"api_key,omitempty" format:"password" maxLength:"255"`
	// APIKeySet says that an API key is stored; it is not read in requests.
	APIKeySet bool `json:"api_key_set,omitempty" readonly:"true"`
	// AllowUnverified lets the API key go to a peer that is not verified, or in clear.
	AllowUnverified bool `json:"allow_credentials_over_unverified_tls,omitempty"`
	// ClientCertificate shows our active certificate where the peer asks for one.
	ClientCertificate bool `json:"client_certificate,omitempty"`
	// Rule names the workflow rule of the Core; absent: the Core chooses.
	Rule string `json:"rule,omitempty" maxLength:"255"`
	// TimeoutSeconds is how long one inspection may take, all URIs together; absent: 60. The client waits meanwhile.
	TimeoutSeconds int `json:"timeout_seconds,omitempty" minimum:"0" maximum:"240"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`

	apiKeyID string // of the sealed API key
}

func newCoreProfiles(a *API) resource[CoreProfile] {
	return resource[CoreProfile]{
		api: a, kind: config.KindCoreProfile, param: "name", key: nameKey,
		read: readCoreProfile,
		show: func(v config.Value) CoreProfile { return showCoreProfile(v.(policy.CoreProfile)) },
		seal: a.sealAPIKey,
	}
}

func readCoreProfile(key string, p CoreProfile) config.Value {
	return policy.CoreProfile{
		Name: cmp.Or(p.Name, key), URIs: p.URIs, Preference: p.Preference, Verify: p.Verify,
		APIKeyID: p.apiKeyID, AllowUnverified: p.AllowUnverified, ClientCertificate: p.ClientCertificate,
		Rule: p.Rule, TimeoutSeconds: p.TimeoutSeconds, Description: p.Description,
	}
}

func showCoreProfile(p policy.CoreProfile) CoreProfile {
	return CoreProfile{
		Name: p.Name, URIs: orEmpty(p.URIs), Preference: p.Preference, Verify: p.Verify,
		APIKeySet: p.APIKeyID != "", AllowUnverified: p.AllowUnverified, ClientCertificate: p.ClientCertificate,
		Rule: p.Rule, TimeoutSeconds: p.TimeoutSeconds, Description: p.Description,
	}
}

// sealAPIKey puts the reference to the API key into the document: to the stored
// one where the document has none or the same, else to a new one.
func (a *API) sealAPIKey(ctx context.Context, p CoreProfile, current config.Value) (CoreProfile, error) {
	stored, _ := current.(policy.CoreProfile)
	p.apiKeyID = stored.APIKeyID
	if p.APIKey == nil {
		return p, nil
	}
	key := *p.APIKey
	p.APIKey = nil
	if key == "" {
		p.apiKeyID = ""
		return p, nil
	}
	if err := policy.CheckAPIKey("/api_key", key).Err(); err != nil {
		return p, err
	}
	var err error
	p.apiKeyID, err = a.keepSecret(ctx, key, stored.APIKeyID)
	return p, err
}

func (a *API) coreProfilesOperations() []operation {
	const list, one = "/inspection-profiles", "/inspection-profiles/:name"
	return []operation{
		{http.MethodGet, list, "listCoreProfiles", account.RoleViewer, listQuery, a.listCoreProfiles},
		{http.MethodGet, one, "getCoreProfile", account.RoleViewer, nil, a.getCoreProfile},
		{http.MethodPut, one, "replaceCoreProfile", account.RoleAdmin, writeQuery, a.replaceCoreProfile},
		{http.MethodPatch, one, "patchCoreProfile", account.RoleAdmin, writeQuery, a.patchCoreProfile},
		{http.MethodDelete, one, "deleteCoreProfile", account.RoleAdmin, writeQuery, a.deleteCoreProfile},
		{http.MethodPost, one + "/test", "testCoreProfile", account.RoleOperator, nil, a.testCoreProfile},
	}
}

// listCoreProfiles godoc
//
//	@Summary	List the core profiles
//	@ID		listCoreProfiles
//	@Tags		Inspection
//	@Success	200	{object}	Page[CoreProfile]
//	@Router		/inspection-profiles [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listCoreProfiles(c echo.Context) error { return a.coreProfiles.list(c) }

// getCoreProfile godoc
//
//	@Summary	Show a core profile
//	@ID		getCoreProfile
//	@Tags		Inspection
//	@Param		name	path	string	true	"Name of the core profile"
//	@Success	200	{object}	CoreProfile
//	@Router		/inspection-profiles/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getCoreProfile(c echo.Context) error { return a.coreProfiles.get(c) }

// replaceCoreProfile godoc
//
//	@Summary	Create or replace a core profile
//	@Description	An API key that is left out stays as it is; an empty one goes.
//	@ID		replaceCoreProfile
//	@Tags		Inspection
//	@Param		name	path	string	true	"Name of the core profile"
//	@Param		body	body	CoreProfile	true	"The whole core profile; what is left out gets its default"
//	@Success	200	{object}	CoreProfile
//	@Success	201	{object}	CoreProfile
//	@Router		/inspection-profiles/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceCoreProfile(c echo.Context) error { return a.coreProfiles.put(c) }

// patchCoreProfile godoc
//
//	@Summary	Change a core profile
//	@ID		patchCoreProfile
//	@Tags		Inspection
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the core profile"
//	@Param		body	body	CoreProfile	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	CoreProfile
//	@Router		/inspection-profiles/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchCoreProfile(c echo.Context) error { return a.coreProfiles.patch(c) }

// deleteCoreProfile godoc
//
//	@Summary	Delete a core profile
//	@ID		deleteCoreProfile
//	@Tags		Inspection
//	@Param		name	path	string	true	"Name of the core profile"
//	@Success	204
//	@Router		/inspection-profiles/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteCoreProfile(c echo.Context) error { return a.coreProfiles.delete(c) }
