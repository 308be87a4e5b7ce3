package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

// HostedMTASTS is the MTA-STS policy that the gateway publishes for a hosted domain (B61).
type HostedMTASTS struct {
	// Domain is a hosted domain.
	Domain mailaddr.DomainName `json:"domain" swaggertype:"string"`
	// Mode is what is asked of senders: to enforce the policy, to report what would fail, or to forget it.
	Mode mtasts.Mode `json:"mode" swaggertype:"string" enums:"enforce,testing,none"`
	// MX are the hosts that take mail of the domain, in A-labels; *. stands for one label.
	MX []string `json:"mx" maxItems:"100"`
	// MaxAgeSeconds is how long senders keep the policy.
	MaxAgeSeconds int `json:"max_age_seconds" minimum:"86400" maximum:"31557600"`
	// Force publishes mode enforce although a host fails a live verification.
	Force bool `json:"force,omitempty"`
	// ID of the policy, which changes exactly when the policy does; it is not read in requests.
	ID string `json:"id,omitempty"`
}

func newHostedMTASTS(a *API) resource[HostedMTASTS] {
	return resource[HostedMTASTS]{
		api: a, kind: config.KindMTASTSPolicy, param: "name", key: domainKey,
		read: func(key string, h HostedMTASTS) config.Value { return readHostedMTASTS(key, h) },
		show: func(v config.Value) HostedMTASTS { return showHostedMTASTS(v.(mtasts.Hosting)) },
	}
}

func readHostedMTASTS(key string, h HostedMTASTS) mtasts.Hosting {
	if h.Domain == "" {
		h.Domain = mailaddr.DomainName(key)
	}
	read := mtasts.Hosting{Domain: h.Domain, Mode: h.Mode, MX: []mtasts.MXPattern{}, MaxAgeSeconds: h.MaxAgeSeconds, Force: h.Force}
	for _, text := range h.MX {
		pattern, err := mtasts.ParseMXPattern(text)
		if err != nil {
			pattern = mtasts.MXPattern(text) // validation says what is wrong with it
		}
		read.MX = append(read.MX, pattern)
	}
	return read
}

func showHostedMTASTS(h mtasts.Hosting) HostedMTASTS {
	shown := HostedMTASTS{Domain: h.Domain, Mode: h.Mode, MX: []string{}, MaxAgeSeconds: h.MaxAgeSeconds, Force: h.Force, ID: h.ID()}
	for _, pattern := range h.MX {
		shown.MX = append(shown.MX, string(pattern))
	}
	return shown
}

func (a *API) hostedMTASTSOperations() []operation {
	const path = "/domains/:name/mta-sts"
	return []operation{
		{http.MethodGet, path, "getDomainMTASTS", account.RoleViewer, nil, a.getDomainMTASTS},
		{http.MethodPut, path, "replaceDomainMTASTS", account.RoleAdmin, writeQuery, a.replaceDomainMTASTS},
		{http.MethodPatch, path, "patchDomainMTASTS", account.RoleAdmin, writeQuery, a.patchDomainMTASTS},
		{http.MethodDelete, path, "deleteDomainMTASTS", account.RoleAdmin, writeQuery, a.deleteDomainMTASTS},
	}
}

// getDomainMTASTS godoc
//
//	@Summary	Show the MTA-STS policy of a hosted domain
//	@ID			getDomainMTASTS
//	@Tags		MTA-STS
//	@Param		name	path		string	true	"Domain name"
//	@Success	200		{object}	HostedMTASTS
//	@Router		/domains/{name}/mta-sts [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getDomainMTASTS(c echo.Context) error { return a.hostedMTASTS.get(c) }

// replaceDomainMTASTS godoc
//
//	@Summary		Create or replace the MTA-STS policy of a hosted domain
//	@Description	It is served at once. Mode enforce is refused while an MX host of the domain is not listed, or fails a live verification, unless forced. What to publish in DNS, and in which order, is at `/domains/{name}/dns-records`.
//	@ID				replaceDomainMTASTS
//	@Tags			MTA-STS
//	@Param			name	path		string			true	"Domain name"
//	@Param			body	body		HostedMTASTS	true	"The whole policy"
//	@Success		200		{object}	HostedMTASTS
//	@Success		201		{object}	HostedMTASTS
//	@Router			/domains/{name}/mta-sts [put]
//	@x-shape		"replace"
//	@x-role			"admin"
func (a *API) replaceDomainMTASTS(c echo.Context) error { return a.hostedMTASTS.put(c) }

// patchDomainMTASTS godoc
//
//	@Summary		Change the MTA-STS policy of a hosted domain
//	@Description	To leave MTA-STS, publish mode none with the id that belongs to it, and delete the policy when the former one has expired everywhere.
//	@ID				patchDomainMTASTS
//	@Tags			MTA-STS
//	@Accept			application/merge-patch+json
//	@Param			name	path		string			true	"Domain name"
//	@Param			body	body		HostedMTASTS	true	"A JSON merge patch (RFC 7396)"
//	@Success		200		{object}	HostedMTASTS
//	@Router			/domains/{name}/mta-sts [patch]
//	@x-shape		"patch"
//	@x-role			"admin"
func (a *API) patchDomainMTASTS(c echo.Context) error { return a.hostedMTASTS.patch(c) }

// deleteDomainMTASTS godoc
//
//	@Summary		Stop to serve the MTA-STS policy of a hosted domain
//	@Description	Senders that have it keep it until it expires: publish mode none first.
//	@ID				deleteDomainMTASTS
//	@Tags			MTA-STS
//	@Param			name	path	string	true	"Domain name"
//	@Success		204
//	@Router			/domains/{name}/mta-sts [delete]
//	@x-shape		"delete"
//	@x-role			"admin"
func (a *API) deleteDomainMTASTS(c echo.Context) error { return a.hostedMTASTS.delete(c) }
