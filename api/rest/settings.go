package rest

import (
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// TLSSettings are the master switches of TLS.
type TLSSettings struct {
	// Enabled is the master switch of TLS for SMTP and HTTPS (B1). Switching on needs a usable active certificate.
	Enabled bool `json:"enabled"`
	// SendSTARTTLS sends with STARTTLS whenever possible: the default destination control acts as preferred (B2).
	SendSTARTTLS bool `json:"send_starttls"`
	// RetryWithoutTLS retries in clear, for an hour, where a handshake failed and TLS is not mandatory (B3, B24).
	RetryWithoutTLS bool `json:"retry_without_tls"`
	// MinVersion is the lowest TLS version, unless a listener or a destination control says otherwise (B9).
	MinVersion policy.TLSVersion `json:"min_version" swaggertype:"string" enums:"1.0,1.1,1.2,1.3"`
	// WriteDigitalID writes the active certificate with its private key to the digital ID files on activation (B47).
	WriteDigitalID bool `json:"write_digital_id"`
}

// QueueSettings say how often and how long delivery is tried (B75).
type QueueSettings struct {
	// RetryIntervals are the seconds between tries; the last one repeats.
	RetryIntervals []int `json:"retry_intervals_seconds" minItems:"1" maxItems:"50"`
	// LifetimeSeconds is after how long a message bounces.
	LifetimeSeconds int `json:"lifetime_seconds" minimum:"1" maximum:"2592000"`
	// DelayNoticeSeconds is after how long the sender is told of the delay; 0: never.
	DelayNoticeSeconds int `json:"delay_notice_after_seconds" minimum:"0" maximum:"2592000"`
	// MaxDeliveries is how many deliveries run at a time, over all destinations.
	MaxDeliveries int `json:"max_deliveries" minimum:"1" maximum:"10000"`
	// HistorySeconds is how long attempts and finished messages are kept.
	HistorySeconds int `json:"history_seconds" minimum:"60" maximum:"315360000"`
}

// DNSSettings name the resolvers.
type DNSSettings struct {
	// Servers are the resolvers, each as address with port; none: those of the machine.
	Servers []string `json:"servers" maxItems:"10"`
	// Trusted are addresses of resolvers off this machine whose DNSSEC verdict is believed (B63).
	Trusted []netip.Addr `json:"trusted" swaggertype:"array,string"`
	// SignedName is a name in a zone that is signed up to the root, which a validating resolver vouches for; absent: the root itself.
	SignedName string `json:"signed_name,omitempty"`
	// BogusName is a name with an A record whose signatures are broken on purpose, which a validating resolver refuses; absent: dnssec-failed.org.
	BogusName string `json:"bogus_name,omitempty"`
}

// OutboundSettings say how the gateway presents itself to next hops.
type OutboundSettings struct {
	// HostName is the name in EHLO and in delivery status notifications.
	HostName mailaddr.DomainName `json:"host_name" swaggertype:"string"`
	// OwnAddresses are further addresses by which MX records may point back at the gateway (B33).
	OwnAddresses []netip.Addr `json:"own_addresses" swaggertype:"array,string"`
	// CertificateID is what the gateway shows to servers that ask who it is; empty: the active certificate (B41).
	CertificateID string `json:"certificate_id"`
}

// Settings are all sections of the settings.
type Settings struct {
	// TLS are the master switches.
	TLS TLSSettings `json:"tls" validate:"required"`
	// Queue says how often and how long delivery is tried.
	Queue QueueSettings `json:"queue" validate:"required"`
	// DNS names the resolvers.
	DNS DNSSettings `json:"dns" validate:"required"`
	// Outbound says how the gateway presents itself.
	Outbound OutboundSettings `json:"outbound" validate:"required"`
	// Alerts says how alerts leave the gateway, and when some are raised.
	Alerts AlertSettings `json:"alerts" validate:"required"`
	// RequireTLS are the switches of REQUIRETLS.
	RequireTLS RequireTLSSettings `json:"requiretls" validate:"required"`
	// Inspection says whether messages are shown to a MetaDefender Core.
	Inspection InspectionSettings `json:"inspection" validate:"required"`
	// PublicWeb is the public web listener.
	PublicWeb PublicWebSettings `json:"public_web" validate:"required"`
	// Management is the HTTPS side of the management listener.
	Management ManagementSettings `json:"management" validate:"required"`
	// ACME says from which authority the gateway gets its certificate by itself.
	ACME ACMESettings `json:"acme" validate:"required"`
	// MTASTS says whether the MTA-STS policies of other domains are obeyed.
	MTASTS MTASTSSettings `json:"mta_sts" validate:"required"`
}

func newTLSSettings(a *API) resource[TLSSettings] {
	return resource[TLSSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionTLS),
		read: func(_ string, s TLSSettings) config.Value { return policy.TLSSettings(s) },
		show: func(v config.Value) TLSSettings { return TLSSettings(v.(policy.TLSSettings)) },
	}
}

func newQueueSettings(a *API) resource[QueueSettings] {
	return resource[QueueSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionQueue),
		read: func(_ string, s QueueSettings) config.Value { return policy.QueueSettings(s) },
		show: func(v config.Value) QueueSettings { return showQueueSettings(v.(policy.QueueSettings)) },
	}
}

func newDNSSettings(a *API) resource[DNSSettings] {
	return resource[DNSSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionDNS),
		read: func(_ string, s DNSSettings) config.Value { return policy.DNSSettings(s) },
		show: func(v config.Value) DNSSettings { return showDNSSettings(v.(policy.DNSSettings)) },
	}
}

func newOutboundSettings(a *API) resource[OutboundSettings] {
	return resource[OutboundSettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionOutbound),
		read: func(_ string, s OutboundSettings) config.Value { return policy.OutboundSettings(s) },
		show: func(v config.Value) OutboundSettings { return showOutboundSettings(v.(policy.OutboundSettings)) },
	}
}

func showQueueSettings(s policy.QueueSettings) QueueSettings {
	s.RetryIntervals = orEmpty(s.RetryIntervals)
	return QueueSettings(s)
}

func showDNSSettings(s policy.DNSSettings) DNSSettings {
	s.Servers, s.Trusted = orEmpty(s.Servers), orEmpty(s.Trusted)
	return DNSSettings(s)
}

func showOutboundSettings(s policy.OutboundSettings) OutboundSettings {
	s.OwnAddresses = orEmpty(s.OwnAddresses)
	return OutboundSettings(s)
}

// sectionKey is the key of a section, whose path says its name already.
func sectionKey(section string) func(string) (string, error) {
	return func(string) (string, error) { return section, nil }
}

// orEmpty makes an absent list an empty one, so that JSON shows [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a *API) settingsOperations() []operation {
	return []operation{
		{http.MethodGet, "/settings", "getSettings", account.RoleViewer, nil, a.getSettings},
		{http.MethodGet, "/settings/tls", "getTLSSettings", account.RoleViewer, nil, a.getTLSSettings},
		{http.MethodPut, "/settings/tls", "replaceTLSSettings", account.RoleAdmin, writeQuery, a.replaceTLSSettings},
		{http.MethodPatch, "/settings/tls", "patchTLSSettings", account.RoleAdmin, writeQuery, a.patchTLSSettings},
		{http.MethodGet, "/settings/queue", "getQueueSettings", account.RoleViewer, nil, a.getQueueSettings},
		{http.MethodPut, "/settings/queue", "replaceQueueSettings", account.RoleAdmin, writeQuery, a.replaceQueueSettings},
		{http.MethodPatch, "/settings/queue", "patchQueueSettings", account.RoleAdmin, writeQuery, a.patchQueueSettings},
		{http.MethodGet, "/settings/dns", "getDNSSettings", account.RoleViewer, nil, a.getDNSSettings},
		{http.MethodPut, "/settings/dns", "replaceDNSSettings", account.RoleAdmin, writeQuery, a.replaceDNSSettings},
		{http.MethodPatch, "/settings/dns", "patchDNSSettings", account.RoleAdmin, writeQuery, a.patchDNSSettings},
		{http.MethodGet, "/settings/outbound", "getOutboundSettings", account.RoleViewer, nil, a.getOutboundSettings},
		{http.MethodPut, "/settings/outbound", "replaceOutboundSettings", account.RoleAdmin, writeQuery, a.replaceOutboundSettings},
		{http.MethodPatch, "/settings/outbound", "patchOutboundSettings", account.RoleAdmin, writeQuery, a.patchOutboundSettings},
	}
}

// getSettings godoc
//
//	@Summary	Show all settings
//	@ID			getSettings
//	@Tags		Settings
//	@Success	200	{object}	Settings
//	@Failure	409	{object}	Problem
//	@Failure	422	{object}	Problem
//	@Router		/settings [get]
//	@x-draft	true
//	@x-shape		"tagged"
//	@x-role		"viewer"
func (a *API) getSettings(c echo.Context) error {
	snapshot, err := a.snapshotOf(c)
	if err != nil {
		return err
	}
	s := snapshot.Settings
	return replyObject(c, Settings{
		TLS: TLSSettings(s.TLS), Queue: showQueueSettings(s.Queue),
		DNS: showDNSSettings(s.DNS), Outbound: showOutboundSettings(s.Outbound), Alerts: AlertSettings(s.Alerts),
		RequireTLS: RequireTLSSettings(s.RequireTLS),
		Inspection: InspectionSettings(s.Inspection),
		PublicWeb:  showPublicWeb(s.PublicWeb), Management: showManagement(s.Management),
		ACME:   showACMESettings(s.ACME),
		MTASTS: MTASTSSettings(s.MTASTS),
	})
}

// getTLSSettings godoc
//
//	@Summary	Show the TLS settings
//	@ID		getTLSSettings
//	@Tags		Settings
//	@Success	200	{object}	TLSSettings
//	@Router		/settings/tls [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getTLSSettings(c echo.Context) error { return a.tlsSettings.get(c) }

// replaceTLSSettings godoc
//
//	@Summary	Replace the TLS settings
//	@ID		replaceTLSSettings
//	@Tags		Settings
//	@Param		body	body	TLSSettings	true	"The whole section"
//	@Success	200	{object}	TLSSettings
//	@Router		/settings/tls [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceTLSSettings(c echo.Context) error { return a.tlsSettings.put(c) }

// patchTLSSettings godoc
//
//	@Summary	Change the TLS settings
//	@ID		patchTLSSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	TLSSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	TLSSettings
//	@Router		/settings/tls [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchTLSSettings(c echo.Context) error { return a.tlsSettings.patch(c) }

// getQueueSettings godoc
//
//	@Summary	Show the queue settings
//	@ID		getQueueSettings
//	@Tags		Settings
//	@Success	200	{object}	QueueSettings
//	@Router		/settings/queue [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getQueueSettings(c echo.Context) error { return a.queueSettings.get(c) }

// replaceQueueSettings godoc
//
//	@Summary	Replace the queue settings
//	@ID		replaceQueueSettings
//	@Tags		Settings
//	@Param		body	body	QueueSettings	true	"The whole section"
//	@Success	200	{object}	QueueSettings
//	@Router		/settings/queue [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceQueueSettings(c echo.Context) error { return a.queueSettings.put(c) }

// patchQueueSettings godoc
//
//	@Summary	Change the queue settings
//	@ID		patchQueueSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	QueueSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	QueueSettings
//	@Router		/settings/queue [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchQueueSettings(c echo.Context) error { return a.queueSettings.patch(c) }

// getDNSSettings godoc
//
//	@Summary	Show the DNS settings
//	@ID		getDNSSettings
//	@Tags		Settings
//	@Success	200	{object}	DNSSettings
//	@Router		/settings/dns [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getDNSSettings(c echo.Context) error { return a.dnsSettings.get(c) }

// replaceDNSSettings godoc
//
//	@Summary	Replace the DNS settings
//	@ID		replaceDNSSettings
//	@Tags		Settings
//	@Param		body	body	DNSSettings	true	"The whole section"
//	@Success	200	{object}	DNSSettings
//	@Router		/settings/dns [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceDNSSettings(c echo.Context) error { return a.dnsSettings.put(c) }

// patchDNSSettings godoc
//
//	@Summary	Change the DNS settings
//	@ID		patchDNSSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	DNSSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	DNSSettings
//	@Router		/settings/dns [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchDNSSettings(c echo.Context) error { return a.dnsSettings.patch(c) }

// getOutboundSettings godoc
//
//	@Summary	Show the outbound settings
//	@ID		getOutboundSettings
//	@Tags		Settings
//	@Success	200	{object}	OutboundSettings
//	@Router		/settings/outbound [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getOutboundSettings(c echo.Context) error { return a.outboundSettings.get(c) }

// replaceOutboundSettings godoc
//
//	@Summary	Replace the outbound settings
//	@ID		replaceOutboundSettings
//	@Tags		Settings
//	@Param		body	body	OutboundSettings	true	"The whole section"
//	@Success	200	{object}	OutboundSettings
//	@Router		/settings/outbound [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceOutboundSettings(c echo.Context) error { return a.outboundSettings.put(c) }

// patchOutboundSettings godoc
//
//	@Summary	Change the outbound settings
//	@ID		patchOutboundSettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	OutboundSettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	OutboundSettings
//	@Router		/settings/outbound [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchOutboundSettings(c echo.Context) error { return a.outboundSettings.patch(c) }
