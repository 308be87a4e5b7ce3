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

// ServerProfile is a server, or several that stand in for each other, with all that is needed to use it (B32).
type ServerProfile struct {
	// Name of the profile, by which routes and the inspection settings refer to it.
	Name string `json:"name"`
	// Type of the server: smtp is a next hop of routes, core a MetaDefender Core that inspects content. What belongs to the other type must be left out.
	Type policy.ServerType `json:"type" swaggertype:"string" enums:"smtp,core"`
	// URIs are for type smtp smtp://host[:port], or smtps://host[:port] for TLS from the first octet; for type core https://host[:port][/path] where the REST interface begins, or http:// for mail that goes in clear.
	URIs []string `json:"uris" minItems:"1" maxItems:"10"`
	// Preference says in what order the URIs are used; absent: failover.
	Preference policy.ServerPreference `json:"preference,omitempty" swaggertype:"string" enums:"failover,round_robin"`
	// TransportEncryption, of type smtp, says what is done with STARTTLS; it is needed with smtp URIs and refused with smtps ones, but for none.
	TransportEncryption policy.TransportEncryption `json:"transport_encryption,omitempty" swaggertype:"string" enums:"none,starttls_optional,starttls_required"`
	// Verify says that the peer's certificate must be trusted and be for the host of the URI, for optional STARTTLS too; absent: true.
	Verify *bool `json:"verify,omitempty"`
	// Username, of type smtp, to authenticate with; absent: without credentials.
	Username string `json:"username,omitempty" maxLength:"255"`
	// Password, of type smtp, is write-only: it is sealed and never shown. A write without it keeps the one that is stored, unless a URI leads to another host or port than before: then it is needed again.
	Password string `json:"password,omitempty" format:"password" maxLength:"1024"`
	// PasswordSet says that a password is stored; it is not read in requests.
	PasswordSet bool `json:"password_set,omitempty" readonly:"true"`
	// APIKey, of type core, is write-only: it is sealed and never shown. A write without it keeps the one that is stored, unless a URI leads to another host or port than before: then it is needed again; an empty text removes it.
	APIKey *string `json:"api_key,omitempty" format:"password" maxLength:"255"`
	// APIKeySet says that an API key is stored; it is not read in requests.
	APIKeySet bool `json:"api_key_set,omitempty" readonly:"true"`
	// AllowUnverified lets the credentials go to a peer that is not verified. A password never goes in clear; an API key does, to http URIs.
	AllowUnverified bool `json:"allow_credentials_over_unverified_tls,omitempty"`
	// ClientCertificate shows our active certificate where the peer asks for one.
	ClientCertificate bool `json:"client_certificate,omitempty"`
	// Rule, of type core, names the workflow rule of the Core; absent: the Core chooses.
	Rule string `json:"rule,omitempty" maxLength:"255"`
	// TimeoutSeconds, of type core, is how long one inspection may take, all URIs together; absent: 60. The client waits meanwhile.
	TimeoutSeconds int `json:"timeout_seconds,omitempty" minimum:"0" maximum:"240"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`

	passwordID string // of the sealed password
	apiKeyID   string // of the sealed API key
}

func newServerProfiles(a *API) resource[ServerProfile] {
	return resource[ServerProfile]{
		api: a, kind: config.KindServerProfile, param: "name", key: nameKey,
		read: readServerProfile,
		show: func(v config.Value) ServerProfile { return showServerProfile(v.(policy.ServerProfile)) },
		seal: sealServerProfile,
		claims: func(p ServerProfile) []string {
			return append(claimed("/password", p.PasswordSet), claimed("/api_key", p.APIKeySet)...)
		},
	}
}

func readServerProfile(key string, p ServerProfile) config.Value {
	return policy.ServerProfile{
		Name: cmp.Or(p.Name, key), Type: p.Type, URIs: p.URIs, Preference: p.Preference,
		TransportEncryption: p.TransportEncryption, Verify: p.Verify,
		Username: p.Username, PasswordID: p.passwordID, APIKeyID: p.apiKeyID, AllowUnverified: p.AllowUnverified,
		ClientCertificate: p.ClientCertificate, Rule: p.Rule, TimeoutSeconds: p.TimeoutSeconds, Description: p.Description,
	}
}

func showServerProfile(p policy.ServerProfile) ServerProfile {
	return ServerProfile{
		Name: p.Name, Type: p.Type, URIs: orEmpty(p.URIs), Preference: p.Preference,
		TransportEncryption: p.TransportEncryption, Verify: p.Verify,
		Username: p.Username, PasswordSet: p.PasswordID != "", APIKeySet: p.APIKeyID != "", AllowUnverified: p.AllowUnverified,
		ClientCertificate: p.ClientCertificate, Rule: p.Rule, TimeoutSeconds: p.TimeoutSeconds, Description: p.Description,
	}
}

// sealServerProfile puts the references to password and API key into the
// document; only they go on to the configuration.
func sealServerProfile(p ServerProfile, current config.Value, keep keeper) (_ ServerProfile, faults domain.Faults, err error) {
	stored, _ := current.(policy.ServerProfile)
	faults.Merge("", checkPassword("/password", p.Password))
	if p.passwordID, err = p.keepPassword(stored.PasswordID, keep); err != nil {
		return p, nil, err
	}
	if p.APIKey != nil && *p.APIKey != "" {
		faults.Merge("", policy.CheckAPIKey("/api_key", *p.APIKey))
	}
	if p.apiKeyID, err = p.keepAPIKey(stored.APIKeyID, keep); err != nil {
		return p, nil, err
	}
	faults.Merge("", p.checkKept(stored))
	p.Password, p.APIKey = "", nil
	return p, faults, nil
}

// checkKept refuses to let a secret that was given for one server go to another:
// whoever may change a profile would learn it at a server of their own (B32).
func (p ServerProfile) checkKept(stored policy.ServerProfile) (f domain.Faults) {
	if !readServerProfile(p.Name, p).(policy.ServerProfile).AddsServers(stored) {
		return nil
	}
	const again = "is needed again: the URIs lead to a server that the stored one was not given for"
	if p.Password == "" && p.passwordID != "" {
		f.Add("/password", again)
	}
	if p.APIKey == nil && p.apiKeyID != "" {
		f.Add("/api_key", again+"; an empty text removes it")
	}
	return f
}

// keepPassword returns the reference to the password. One that is left out stays,
// unless the user whose it is went, or the type did.
func (p ServerProfile) keepPassword(stored string, keep keeper) (string, error) {
	switch {
	case p.Password != "":
		return keep(p.Password, stored)
	case p.Username != "" && p.Type != policy.ServerCore:
		return stored, nil
	}
	return "", nil
}

// keepAPIKey returns the reference to the API key. One that is left out stays,
// unless the profile became one of another type.
func (p ServerProfile) keepAPIKey(stored string, keep keeper) (string, error) {
	switch {
	case p.APIKey == nil && p.Type == policy.ServerSMTP:
		return "", nil
	case p.APIKey == nil:
		return stored, nil
	case *p.APIKey == "":
		return "", nil
	}
	return keep(*p.APIKey, stored)
}

// maxPasswordOctets bounds a password.
const maxPasswordOctets = 1024

func checkPassword(pointer, password string) (f domain.Faults) {
	if len(password) > maxPasswordOctets {
		f.Add(pointer, "is longer than %d octets", maxPasswordOctets)
	}
	return f
}

func (a *API) serverProfilesOperations() []operation {
	const list, one = "/server-profiles", "/server-profiles/:name"
	return []operation{
		{http.MethodGet, list, "listServerProfiles", account.RoleViewer, listQuery, a.listServerProfiles},
		{http.MethodGet, one, "getServerProfile", account.RoleViewer, nil, a.getServerProfile},
		{http.MethodPut, one, "replaceServerProfile", account.RoleAdmin, writeQuery, a.replaceServerProfile},
		{http.MethodPatch, one, "patchServerProfile", account.RoleAdmin, writeQuery, a.patchServerProfile},
		{http.MethodDelete, one, "deleteServerProfile", account.RoleAdmin, writeQuery, a.deleteServerProfile},
		{http.MethodPost, one + "/test", "testServerProfile", account.RoleOperator, nil, a.testServerProfile},
	}
}

// listServerProfiles godoc
//
//	@Summary	List the server profiles
//	@ID		listServerProfiles
//	@Tags		Server profiles
//	@Success	200	{object}	Page[ServerProfile]
//	@Router		/server-profiles [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listServerProfiles(c echo.Context) error { return a.serverProfiles.list(c) }

// getServerProfile godoc
//
//	@Summary	Show a server profile
//	@ID		getServerProfile
//	@Tags		Server profiles
//	@Param		name	path	string	true	"Name of the server profile"
//	@Success	200	{object}	ServerProfile
//	@Router		/server-profiles/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getServerProfile(c echo.Context) error { return a.serverProfiles.get(c) }

// replaceServerProfile godoc
//
//	@Summary	Create or replace a server profile
//	@Description	A password or API key that is left out stays as it is, and is needed again where a URI leads to another host or port than before; a password without a username goes, and so does what belongs to another type.
//	@ID		replaceServerProfile
//	@Tags		Server profiles
//	@Param		name	path	string	true	"Name of the server profile"
//	@Param		body	body	ServerProfile	true	"The whole server profile; what is left out gets its default"
//	@Success	200	{object}	ServerProfile
//	@Success	201	{object}	ServerProfile
//	@Router		/server-profiles/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceServerProfile(c echo.Context) error { return a.serverProfiles.put(c) }

// patchServerProfile godoc
//
//	@Summary	Change a server profile
//	@ID		patchServerProfile
//	@Tags		Server profiles
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the server profile"
//	@Param		body	body	ServerProfile	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	ServerProfile
//	@Router		/server-profiles/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchServerProfile(c echo.Context) error { return a.serverProfiles.patch(c) }

// deleteServerProfile godoc
//
//	@Summary	Delete a server profile
//	@ID		deleteServerProfile
//	@Tags		Server profiles
//	@Param		name	path	string	true	"Name of the server profile"
//	@Success	204
//	@Router		/server-profiles/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteServerProfile(c echo.Context) error { return a.serverProfiles.delete(c) }
