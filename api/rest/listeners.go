package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Listener is one address on which mail is received (B11).
type Listener struct {
	// Name identifies the listener, here and in the path.
	Name string `json:"name" maxLength:"64"`
	// Kind says who connects: the Internet (public: hosted domains only) or our own mail servers (private).
	Kind policy.ListenerKind `json:"kind" swaggertype:"string" enums:"public,private"`
	// Address is an IP address of this machine; empty listens on all.
	Address string `json:"address"`
	// Port is the TCP port; 0 lets the system choose one.
	Port int `json:"port" minimum:"0" maximum:"65535"`
	// Protocol is smtp (STARTTLS) or smtps (TLS from the first octet, RFC 8314).
	Protocol policy.ListenerProtocol `json:"protocol" swaggertype:"string" enums:"smtp,smtps"`
	// HostName is what the banner and the Received header say.
	HostName mailaddr.DomainName `json:"host_name" swaggertype:"string"`
	// DefaultDomain completes addresses without a domain; absent: the host name.
	DefaultDomain mailaddr.DomainName `json:"default_domain,omitempty" swaggertype:"string"`
	// MaxConcurrency is how many connections are served at a time; absent or 0: 1000.
	MaxConcurrency int `json:"max_concurrency,omitempty" minimum:"0" maximum:"1000000"`
	// TCPQueue is how many connections may wait to be accepted; absent or 0: 50.
	TCPQueue int `json:"tcp_queue,omitempty" minimum:"0" maximum:"65535"`
	// CertificateID binds a certificate; absent: the active one (B41).
	CertificateID string `json:"certificate_id,omitempty"`
	// MinVersion is the lowest TLS version; absent: that of the TLS settings (B9).
	MinVersion policy.TLSVersion `json:"min_tls_version,omitempty" swaggertype:"string" enums:"1.0,1.1,1.2,1.3"`
	// SessionTickets lets clients resume TLS sessions (B9).
	SessionTickets bool `json:"session_tickets,omitempty"`
	// CipherProfile chooses the cipher suites below TLS 1.3, all with forward secrecy: modern has authenticated encryption (AEAD) only, compatible has CBC with SHA-256 for old senders too; absent: default.
	CipherProfile policy.CipherProfile `json:"cipher_profile,omitempty" swaggertype:"string" enums:"default,modern,compatible"`
	// ProxyProtocolFrom are the addresses and networks of proxies. From them a PROXY header (version 1 or 2) is required, and the client is whom it names; from others it is a bad command (B11).
	ProxyProtocolFrom []mailaddr.EndpointPattern `json:"proxy_protocol_from,omitempty" swaggertype:"array,string" maxItems:"1000"`
	// Defaults are what a mail flow policy inherits where it is unset (B14).
	Defaults FlowParameters `json:"default_policy_parameters"`
}

func newListeners(a *API) resource[Listener] {
	return resource[Listener]{
		api: a, kind: config.KindListener, param: "name", key: nameKey,
		read: readListener,
		show: func(v config.Value) Listener { return showListener(v.(policy.Listener)) },
	}
}

func readListener(key string, l Listener) config.Value {
	if l.Name == "" {
		l.Name = key
	}
	return policy.Listener{
		Name: l.Name, Kind: l.Kind, Address: l.Address, Port: l.Port, Protocol: l.Protocol,
		HostName: l.HostName, DefaultDomain: l.DefaultDomain,
		MaxConcurrency: l.MaxConcurrency, TCPQueue: l.TCPQueue,
		CertificateID: l.CertificateID, MinVersion: l.MinVersion, SessionTickets: l.SessionTickets,
		CipherProfile: l.CipherProfile, ProxyProtocolFrom: l.ProxyProtocolFrom,
		Defaults: policy.FlowParameters(l.Defaults),
	}
}

func showListener(l policy.Listener) Listener {
	return Listener{
		Name: l.Name, Kind: l.Kind, Address: l.Address, Port: l.Port, Protocol: l.Protocol,
		HostName: l.HostName, DefaultDomain: l.DefaultDomain,
		MaxConcurrency: l.MaxConcurrency, TCPQueue: l.TCPQueue,
		CertificateID: l.CertificateID, MinVersion: l.MinVersion, SessionTickets: l.SessionTickets,
		CipherProfile: l.CipherProfile, ProxyProtocolFrom: l.ProxyProtocolFrom,
		Defaults: FlowParameters(l.Defaults),
	}
}

func (a *API) listenersOperations() []operation {
	const list, one = "/listeners", "/listeners/:name"
	return []operation{
		{http.MethodGet, list, "listListeners", account.RoleViewer, listQuery, a.listListeners},
		{http.MethodGet, one, "getListener", account.RoleViewer, nil, a.getListener},
		{http.MethodPut, one, "replaceListener", account.RoleAdmin, writeQuery, a.replaceListener},
		{http.MethodPatch, one, "patchListener", account.RoleAdmin, writeQuery, a.patchListener},
		{http.MethodDelete, one, "deleteListener", account.RoleAdmin, writeQuery, a.deleteListener},
		a.listenerSummaryOperation(),
	}
}

// listListeners godoc
//
//	@Summary	List the listeners
//	@ID		listListeners
//	@Tags		Receiving
//	@Success	200	{object}	Page[Listener]
//	@Router		/listeners [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listListeners(c echo.Context) error { return a.listeners.list(c) }

// getListener godoc
//
//	@Summary	Show a listener
//	@ID		getListener
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the listener"
//	@Success	200	{object}	Listener
//	@Router		/listeners/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getListener(c echo.Context) error { return a.listeners.get(c) }

// replaceListener godoc
//
//	@Summary	Create or replace a listener
//	@ID		replaceListener
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the listener"
//	@Param		body	body	Listener	true	"The whole listener; what is left out gets its default"
//	@Success	200	{object}	Listener
//	@Success	201	{object}	Listener
//	@Router		/listeners/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceListener(c echo.Context) error { return a.listeners.put(c) }

// patchListener godoc
//
//	@Summary	Change a listener
//	@ID		patchListener
//	@Tags		Receiving
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the listener"
//	@Param		body	body	Listener	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	Listener
//	@Router		/listeners/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchListener(c echo.Context) error { return a.listeners.patch(c) }

// deleteListener godoc
//
//	@Summary	Delete a listener
//	@ID		deleteListener
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the listener"
//	@Success	204
//	@Router		/listeners/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteListener(c echo.Context) error { return a.listeners.delete(c) }
