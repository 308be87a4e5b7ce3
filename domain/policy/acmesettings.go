package policy

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// ACMEChallenge is how control of a name is proven (RFC 8555 §8).
type ACMEChallenge string

// The challenges that the gateway can answer.
const (
	ACMEHTTP01    ACMEChallenge = "http-01"     // RFC 8555 §8.3, at port 80
	ACMETLSALPN01 ACMEChallenge = "tls-alpn-01" // RFC 8737, at port 443
	ACMEDNS01     ACMEChallenge = "dns-01"      // RFC 8555 §8.4, a TXT record
)

// ACMESettings say from which authority the gateway gets its certificate by itself
// (B48).
type ACMESettings struct {
	// Enabled: certificates are ordered and renewed without being asked.
	Enabled      bool   `json:"enabled"`
	DirectoryURL string `json:"directory_url"`
	// FallbackDirectoryURL is asked where the first one fails; empty: none.
	FallbackDirectoryURL string `json:"fallback_directory_url"`
	// TermsAgreed says that the terms of service of the directories are agreed to.
	TermsAgreed bool     `json:"terms_agreed"`
	Contacts    []string `json:"contacts"` // mail addresses
	// EABKeyID and EABSecretID are the external account binding (RFC 8555 §7.3.4) of
	// the first directory: the key's name, and the secret that holds the key.
	EABKeyID    string `json:"eab_key_id"`
	EABSecretID string `json:"eab_secret_id,omitempty"`
	Profile     string `json:"profile"` // of issuance; empty: the authority chooses
	KeyType     string `json:"key_type"`
	// ReuseKey renews with the key of the certificate before.
	ReuseKey bool `json:"reuse_key"`
	// AlternativeNames stand in the certificate beside our host name.
	AlternativeNames []ACMEName    `json:"alternative_names"`
	Challenge        ACMEChallenge `json:"challenge"`
	// DNSUpdate or DNSHook answers dns-01.
	DNSUpdate ACMEUpdate `json:"dns_update"`
	DNSHook   ACMEHook   `json:"dns_hook"`
}

// DefaultACMESettings are those of a fresh installation: nobody is asked.
func DefaultACMESettings() ACMESettings {
	return ACMESettings{KeyType: acmeKeyTypes[0], Challenge: ACMEHTTP01, DNSUpdate: ACMEUpdate{Algorithm: tsigAlgorithms[0]}}
}

// acmeKeyTypes are the keys that the gateway makes (B42).
var acmeKeyTypes = [...]string{"ecdsa_p256", "ecdsa_p384", "rsa_2048", "rsa_3072", "rsa_4096"}

// Bounds of the settings.
const (
	maxACMENames    = 99 // with our host name the 100 that authorities allow
	maxACMEContacts = 10
	maxACMEText     = 255
)

// Names are those of the certificate: the main one first, each once (B48).
func (s ACMESettings) Names(main mailaddr.DomainName) []string {
	names := []string{main.String()}
	for _, n := range s.AlternativeNames {
		if !slices.Contains(names, n.String()) {
			names = append(names, n.String())
		}
	}
	return names
}

// Validate reports every broken rule of the settings.
func (s ACMESettings) Validate() (f domain.Faults) {
	checkDirectory(&f, "/directory_url", s.DirectoryURL)
	checkDirectory(&f, "/fallback_directory_url", s.FallbackDirectoryURL)
	checkOneOf(&f, "/key_type", s.KeyType, acmeKeyTypes[:]...)
	checkOneOf(&f, "/challenge", s.Challenge, ACMEHTTP01, ACMETLSALPN01, ACMEDNS01)
	s.validateLists(&f)
	s.validateDNS(&f)
	if len(s.Profile) > maxACMEText {
		f.Add("/profile", "is longer than %d octets", maxACMEText)
	}
	if len(s.EABKeyID) > maxACMEText {
		f.Add("/eab_key_id", "is longer than %d octets", maxACMEText)
	}
	if (s.EABKeyID == "") != (s.EABSecretID == "") {
		f.Add("/eab_hmac_key", "and eab_key_id come together: the authority gave both")
	}
	if s.Enabled && s.DirectoryURL == "" {
		f.Add("/directory_url", "is required: the directory of the authority, as https://acme-v02.api.letsencrypt.org/directory")
	}
	if s.Enabled && !s.TermsAgreed {
		f.Add("/terms_agreed", "is required: an authority gives no account to who does not agree to its terms of service")
	}
	return f
}

func (s ACMESettings) validateLists(f *domain.Faults) {
	if len(s.AlternativeNames) > maxACMENames {
		f.Add("/alternative_names", "has more than %d names", maxACMENames)
	}
	for i, n := range s.AlternativeNames {
		if slices.Contains(s.AlternativeNames[:i], n) {
			f.Add(fmt.Sprintf("/alternative_names/%d", i), "%s is listed before", n)
		}
		// RFC 8555 §7.1.3, §8.3: a wildcard is proven by dns-01 alone.
		if n.IsWildcard() && s.Challenge != ACMEDNS01 {
			f.Add(fmt.Sprintf("/alternative_names/%d", i), "%s can be proven by dns-01 alone: set the challenge to dns-01, or list the names one by one", n)
		}
	}
	if len(s.Contacts) > maxACMEContacts {
		f.Add("/contacts", "has more than %d addresses", maxACMEContacts)
	}
	for i, c := range s.Contacts {
		// RFC 8555 §7.3: a mailto URL of one address, without header fields.
		if _, err := mailaddr.ParseMailbox(c); err != nil || strings.ContainsAny(c, "?,%") {
			f.Add(fmt.Sprintf("/contacts/%d", i), "%q is no mail address that an authority takes", c)
		}
	}
}

func checkDirectory(f *domain.Faults, at, text string) {
	if text == "" {
		return
	}
	// RFC 8555 §6.1: communication is by HTTPS.
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(text) > maxACMEText {
		f.Add(at, "must be a URL such as https://acme-v02.api.letsencrypt.org/directory")
	}
}

// ParseEABKey reads the key of an external account binding, in base64url as
// authorities give it out, padded or not (RFC 8555 §7.3.4); false where it is none.
func ParseEABKey(text string) (key []byte, ok bool) {
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	return key, err == nil && len(key) >= 16 && len(key) <= 512
}
