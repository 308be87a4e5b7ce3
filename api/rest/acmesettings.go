package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// ACMESettings say from which authority the gateway gets its certificate by itself (B48).
type ACMESettings struct {
	// Enabled is whether certificates are ordered and renewed by schedule. An order by hand needs no more than the directory and the terms.
	Enabled bool `json:"enabled"`
	// DirectoryURL is the authority's directory, by HTTPS.
	DirectoryURL string `json:"directory_url" maxLength:"255"`
	// FallbackDirectoryURL is asked where the first directory issues nothing; empty: none.
	FallbackDirectoryURL string `json:"fallback_directory_url" maxLength:"255"`
	// TermsAgreed says that you agree to the terms of service of the directories.
	TermsAgreed bool `json:"terms_agreed"`
	// Contacts are mail addresses for the authority, told when the account is made.
	Contacts []string `json:"contacts" maxItems:"10"`
	// EABKeyID names the key of the external account binding, where the first directory asks for one.
	EABKeyID string `json:"eab_key_id" maxLength:"255"`
	// EABHMACKey is that key in base64url; write-only: it is sealed and never shown. A write without it keeps the one that is stored, as long as eab_key_id is set.
	EABHMACKey string `json:"eab_hmac_key,omitempty" format:"password" maxLength:"1024"`
	// EABHMACKeySet says that a key is stored; it is not read in requests.
	EABHMACKeySet bool `json:"eab_hmac_key_set,omitempty" readonly:"true"`
	// Profile of issuance, one of those that the directory lists; empty: the authority chooses.
	Profile string `json:"profile" maxLength:"255"`
	// KeyType is the key of the certificate.
	KeyType string `json:"key_type" enums:"ecdsa_p256,ecdsa_p384,rsa_2048,rsa_3072,rsa_4096"`
	// ReuseKey renews with the key of the certificate before, so that TLSA records stay good.
	ReuseKey bool `json:"reuse_key"`
	// AlternativeNames stand in the certificate beside the host name of the outbound settings. A wildcard, "*." before a domain, needs the challenge dns-01.
	AlternativeNames []policy.ACMEName `json:"alternative_names" swaggertype:"array,string" maxItems:"99"`
	// Challenge is how names are proven: http-01 at port 80, or tls-alpn-01 at port 443, of the public web listener; or dns-01 by a TXT record, which dns_update or dns_hook puts into the zone.
	Challenge policy.ACMEChallenge `json:"challenge" swaggertype:"string" enums:"http-01,tls-alpn-01,dns-01"`
	// DNSUpdate answers dns-01 by dynamic update.
	DNSUpdate ACMEUpdate `json:"dns_update"`
	// DNSHook answers dns-01 by a program.
	DNSHook ACMEHook `json:"dns_hook"`

	secretID string // of the sealed key
}

func newACMESettings(a *API) resource[ACMESettings] {
	return resource[ACMESettings]{
		api: a, kind: config.KindSettings, key: sectionKey(config.SectionACME),
		read: func(_ string, s ACMESettings) config.Value { return readACMESettings(s) },
		show: func(v config.Value) ACMESettings { return showACMESettings(v.(policy.ACMESettings)) },
		seal: sealACMESettings,
		claims: func(s ACMESettings) []string {
			return append(claimed("/eab_hmac_key", s.EABHMACKeySet), claimed("/dns_update/secret", s.DNSUpdate.SecretSet)...)
		},
	}
}

func readACMESettings(s ACMESettings) policy.ACMESettings {
	return policy.ACMESettings{
		Enabled: s.Enabled, DirectoryURL: s.DirectoryURL, FallbackDirectoryURL: s.FallbackDirectoryURL,
		TermsAgreed: s.TermsAgreed, Contacts: s.Contacts, EABKeyID: s.EABKeyID, EABSecretID: s.secretID,
		Profile: s.Profile, KeyType: s.KeyType, ReuseKey: s.ReuseKey,
		AlternativeNames: s.AlternativeNames, Challenge: s.Challenge,
		DNSUpdate: readACMEUpdate(s.DNSUpdate), DNSHook: policy.ACMEHook(s.DNSHook),
	}
}

func showACMESettings(s policy.ACMESettings) ACMESettings {
	return ACMESettings{
		Enabled: s.Enabled, DirectoryURL: s.DirectoryURL, FallbackDirectoryURL: s.FallbackDirectoryURL,
		TermsAgreed: s.TermsAgreed, Contacts: orEmpty(s.Contacts), EABKeyID: s.EABKeyID, EABHMACKeySet: s.EABSecretID != "",
		Profile: s.Profile, KeyType: s.KeyType, ReuseKey: s.ReuseKey,
		AlternativeNames: orEmpty(s.AlternativeNames), Challenge: s.Challenge,
		DNSUpdate: showACMEUpdate(s.DNSUpdate), DNSHook: ACMEHook(s.DNSHook),
	}
}

// sealACMESettings puts the reference to the binding's key into the document.
func sealACMESettings(s ACMESettings, current config.Value, keep keeper) (_ ACMESettings, faults domain.Faults, err error) {
	stored, _ := current.(policy.ACMESettings)
	switch {
	case s.EABHMACKey != "":
		if _, ok := policy.ParseEABKey(s.EABHMACKey); !ok {
			faults.Add("/eab_hmac_key", "must be a key in base64url, of 16 octets at least, as the authority gave it")
		}
		s.secretID, err = keep(s.EABHMACKey, stored.EABSecretID)
	case s.EABKeyID != "" && s.EABKeyID == stored.EABKeyID:
		s.secretID = stored.EABSecretID
	}
	s.EABHMACKey = ""
	if err != nil {
		return s, faults, err
	}
	var part domain.Faults
	s.DNSUpdate, part, err = sealACMEUpdate(s.DNSUpdate, stored.DNSUpdate, keep)
	faults.Merge("/dns_update", part)
	return s, faults, err
}

func (a *API) acmeSettingsOperations() []operation {
	const path = "/settings/acme"
	return []operation{
		{http.MethodGet, path, "getACMESettings", account.RoleViewer, nil, a.getACMESettings},
		{http.MethodPut, path, "replaceACMESettings", account.RoleAdmin, writeQuery, a.replaceACMESettings},
		{http.MethodPatch, path, "patchACMESettings", account.RoleAdmin, writeQuery, a.patchACMESettings},
	}
}

// getACMESettings godoc
//
//	@Summary	Show the ACME settings
//	@ID		getACMESettings
//	@Tags		Settings
//	@Success	200	{object}	ACMESettings
//	@Router		/settings/acme [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getACMESettings(c echo.Context) error { return a.acmeSettings.get(c) }

// replaceACMESettings godoc
//
//	@Summary	Replace the ACME settings
//	@ID		replaceACMESettings
//	@Tags		Settings
//	@Param		body	body	ACMESettings	true	"The whole section"
//	@Success	200	{object}	ACMESettings
//	@Router		/settings/acme [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceACMESettings(c echo.Context) error { return a.acmeSettings.put(c) }

// patchACMESettings godoc
//
//	@Summary	Change the ACME settings
//	@ID		patchACMESettings
//	@Tags		Settings
//	@Accept	application/merge-patch+json
//	@Param		body	body	ACMESettings	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	ACMESettings
//	@Router		/settings/acme [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchACMESettings(c echo.Context) error { return a.acmeSettings.patch(c) }
