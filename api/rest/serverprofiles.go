package rest

import (
	"cmp"
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
	"postern/domain/probe"
)

// ServerProfile is a server with all that is needed to use it (B32).
type ServerProfile struct {
	// Name of the profile, by which routes refer to it.
	Name string `json:"name"`
	// Type of the server: smtp is a next hop of routes.
	Type policy.ServerType `json:"type" swaggertype:"string" enums:"smtp"`
	// URIs are smtp://host[:port], or smtps://host[:port] for TLS from the first octet.
	URIs []string `json:"uris" minItems:"1" maxItems:"10"`
	// Preference says in what order the URIs are used; absent: failover.
	Preference policy.ServerPreference `json:"preference,omitempty" swaggertype:"string" enums:"failover,round_robin"`
	// TransportEncryption says what is done with STARTTLS; it is needed with smtp URIs and refused with smtps ones, but for none.
	TransportEncryption policy.TransportEncryption `json:"transport_encryption,omitempty" swaggertype:"string" enums:"none,starttls_optional,starttls_required"`
	// Verify says that the peer's certificate must be trusted, for optional STARTTLS too; absent: true.
	Verify *bool `json:"verify,omitempty"`
	// Username to authenticate with; absent: without credentials.
	Username string `json:"username,omitempty" maxLength:"255"`
	// Password is write-only: it is sealed and never shown. A write without it keeps the one that is stored.
	Password string `json:"password,omitempty" format:"password" maxLength:"1024"`
	// PasswordSet says that a password is stored; it is not read in requests.
	PasswordSet bool `json:"password_set,omitempty"`
	// AllowUnverified lets the credentials go over TLS whose peer is not verified. They never go in clear.
	AllowUnverified bool `json:"allow_credentials_over_unverified_tls,omitempty"`
	// ClientCertificate shows our active certificate where the peer asks for one.
	ClientCertificate bool `json:"client_certificate,omitempty"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`

	passwordID string // of the sealed password
}

func newServerProfiles(a *API) resource[ServerProfile] {
	return resource[ServerProfile]{
		api: a, kind: config.KindServerProfile, param: "name", key: nameKey,
		read: readServerProfile,
		show: func(v config.Value) ServerProfile { return showServerProfile(v.(policy.ServerProfile)) },
		seal: a.sealPassword,
	}
}

func readServerProfile(key string, p ServerProfile) config.Value {
	return policy.ServerProfile{
		Name: cmp.Or(p.Name, key), Type: p.Type, URIs: p.URIs, Preference: p.Preference,
		TransportEncryption: p.TransportEncryption, Verify: p.Verify,
		Username: p.Username, PasswordID: p.passwordID, AllowUnverified: p.AllowUnverified,
		ClientCertificate: p.ClientCertificate, Description: p.Description,
	}
}

func showServerProfile(p policy.ServerProfile) ServerProfile {
	return ServerProfile{
		Name: p.Name, Type: p.Type, URIs: orEmpty(p.URIs), Preference: p.Preference,
		TransportEncryption: p.TransportEncryption, Verify: p.Verify,
		Username: p.Username, PasswordSet: p.PasswordID != "", AllowUnverified: p.AllowUnverified,
		ClientCertificate: p.ClientCertificate, Description: p.Description,
	}
}

// maxPasswordOctets bounds a password.
const maxPasswordOctets = 1024

// sealPassword puts the reference to the password into the document: to the
// stored one where the document has none or the same, else to a new one. Only
// the reference goes on to the configuration.
func (a *API) sealPassword(ctx context.Context, p ServerProfile, current config.Value) (ServerProfile, error) {
	stored, _ := current.(policy.ServerProfile)
	switch {
	case len(p.Password) > maxPasswordOctets:
		return p, &domain.Error{Kind: domain.Invalid, Field: "/password", Detail: "is longer than 1024 octets"}
	case p.Password != "":
		id, err := a.keepSecret(ctx, p.Password, stored.PasswordID)
		p.Password, p.passwordID = "", id
		return p, err
	case p.Username != "":
		p.passwordID = stored.PasswordID
	}
	return p, nil
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
//	@Tags		Sending
//	@Success	200	{object}	Page[ServerProfile]
//	@Router		/server-profiles [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listServerProfiles(c echo.Context) error { return a.serverProfiles.list(c) }

// getServerProfile godoc
//
//	@Summary	Show a server profile
//	@ID		getServerProfile
//	@Tags		Sending
//	@Param		name	path	string	true	"Name of the server profile"
//	@Success	200	{object}	ServerProfile
//	@Router		/server-profiles/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getServerProfile(c echo.Context) error { return a.serverProfiles.get(c) }

// replaceServerProfile godoc
//
//	@Summary	Create or replace a server profile
//	@Description	A password that is left out stays as it is; one without a username goes.
//	@ID		replaceServerProfile
//	@Tags		Sending
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
//	@Tags		Sending
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
//	@Tags		Sending
//	@Param		name	path	string	true	"Name of the server profile"
//	@Success	204
//	@Router		/server-profiles/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteServerProfile(c echo.Context) error { return a.serverProfiles.delete(c) }

// testServerProfile godoc
//
//	@Summary		Test a server profile live
//	@Description	The live test of "verifyTLS" for every URI of the profile, credentials included, as for a recipient domain without a destination control of its own.
//	@ID				testServerProfile
//	@Tags			Sending
//	@Param			name	path		string	true	"Name of the server profile"
//	@Success		200		{object}	TLSVerification
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Router			/server-profiles/{name}/test [post]
//	@x-role			"operator"
func (a *API) testServerProfile(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	found, err := a.verify(c.Request().Context(), probe.Question{ServerProfile: name})
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showVerification(found))
}
