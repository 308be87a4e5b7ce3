package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// HostedDomain is a recipient domain for which public listeners take mail (B18).
type HostedDomain struct {
	// Name is the domain name; A-labels and U-labels are both understood, A-labels are shown.
	Name mailaddr.DomainName `json:"name" swaggertype:"string"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
}

func newDomains(a *API) resource[HostedDomain] {
	return resource[HostedDomain]{
		api: a, kind: config.KindDomain, param: "name", key: domainKey,
		read: func(key string, d HostedDomain) config.Value {
			if d.Name == "" {
				d.Name = mailaddr.DomainName(key)
			}
			return policy.HostedDomain(d)
		},
		show: func(v config.Value) HostedDomain { return HostedDomain(v.(policy.HostedDomain)) },
	}
}

// domainKey is the canonical form of a domain name in a path.
func domainKey(name string) (string, error) {
	domain, err := mailaddr.ParseDomainName(name)
	return domain.String(), err
}

func (a *API) domainsOperations() []operation {
	const list, one = "/domains", "/domains/:name"
	return []operation{
		{http.MethodGet, list, "listDomains", account.RoleViewer, listQuery, a.listDomains},
		{http.MethodGet, one, "getDomain", account.RoleViewer, nil, a.getDomain},
		{http.MethodPut, one, "replaceDomain", account.RoleAdmin, writeQuery, a.replaceDomain},
		{http.MethodPatch, one, "patchDomain", account.RoleAdmin, writeQuery, a.patchDomain},
		{http.MethodDelete, one, "deleteDomain", account.RoleAdmin, writeQuery, a.deleteDomain},
	}
}

// listDomains godoc
//
//	@Summary	List the hosted domains
//	@ID		listDomains
//	@Tags		Receiving
//	@Success	200	{object}	Page[HostedDomain]
//	@Router		/domains [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listDomains(c echo.Context) error { return a.domains.list(c) }

// getDomain godoc
//
//	@Summary	Show a hosted domain
//	@ID		getDomain
//	@Tags		Receiving
//	@Param		name	path	string	true	"Domain name"
//	@Success	200	{object}	HostedDomain
//	@Router		/domains/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getDomain(c echo.Context) error { return a.domains.get(c) }

// replaceDomain godoc
//
//	@Summary	Create or replace a hosted domain
//	@ID		replaceDomain
//	@Tags		Receiving
//	@Param		name	path	string	true	"Domain name"
//	@Param		body	body	HostedDomain	true	"The whole hosted domain; what is left out gets its default"
//	@Success	200	{object}	HostedDomain
//	@Success	201	{object}	HostedDomain
//	@Router		/domains/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceDomain(c echo.Context) error { return a.domains.put(c) }

// patchDomain godoc
//
//	@Summary	Change a hosted domain
//	@ID		patchDomain
//	@Tags		Receiving
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Domain name"
//	@Param		body	body	HostedDomain	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	HostedDomain
//	@Router		/domains/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchDomain(c echo.Context) error { return a.domains.patch(c) }

// deleteDomain godoc
//
//	@Summary	Delete a hosted domain
//	@ID		deleteDomain
//	@Tags		Receiving
//	@Param		name	path	string	true	"Domain name"
//	@Success	204
//	@Router		/domains/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteDomain(c echo.Context) error { return a.domains.delete(c) }
