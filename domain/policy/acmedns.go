package policy

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"path"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// ACMEName is a name of a certificate: a domain name, or "*." before one, which
// stands for every name of one label more (RFC 6125 §6.4.3).
type ACMEName string

const wildcardLabel = "*."

// ParseACMEName reads a name in A- or U-labels.
func ParseACMEName(s string) (ACMEName, error) {
	rest, wildcard := strings.CutPrefix(s, wildcardLabel)
	name, err := mailaddr.ParseDomainName(rest)
	if err != nil {
		return "", err
	}
	if !wildcard {
		return ACMEName(name), nil
	}
	if _, ok := name.Parent(); !ok {
		return "", domain.E(domain.Invalid, "%q would stand for a whole top-level domain", s)
	}
	return ACMEName(wildcardLabel + name.String()), nil
}

// String returns the canonical form.
func (n ACMEName) String() string { return string(n) }

// IsWildcard reports whether it stands for more than one name.
func (n ACMEName) IsWildcard() bool { return strings.HasPrefix(string(n), wildcardLabel) }

// UnmarshalText reads a name as [ParseACMEName] does.
func (n *ACMEName) UnmarshalText(text []byte) error {
	name, err := ParseACMEName(string(text))
	if err == nil {
		*n = name
	}
	return err
}

// ACMEUpdate says how TXT records are put into a zone by dynamic update (RFC 2136).
// The zero value says that they are not.
type ACMEUpdate struct {
	// Server is the primary server of the zone, "address:port".
	Server string `json:"server"`
	// Zone holds the records; empty: the nearest zone above the name at the server.
	Zone mailaddr.DomainName `json:"zone"`
	// KeyName and Algorithm (empty: hmac-sha256) are those of the TSIG key (RFC 8945);
	// KeySecretID is the secret that holds it.
	KeyName     mailaddr.DomainName `json:"key_name"`
	Algorithm   string              `json:"algorithm"`
	KeySecretID string              `json:"key_secret_id,omitempty"`
	// ServerOnly: only Server is waited for, not every server of the zone.
	ServerOnly bool `json:"server_only"`
	// WaitSeconds bounds how long they are waited for; 0: 120.
	WaitSeconds int `json:"wait_seconds"`
}

// ACMEHook is a program that puts TXT records into a zone. The zero value says that
// there is none.
type ACMEHook struct {
	Path           string `json:"path"`            // absolute; no shell reads it
	TimeoutSeconds int    `json:"timeout_seconds"` // of one call; 0: 120
}

// Patience is how long servers are waited for.
func (u ACMEUpdate) Patience() time.Duration { return secondsOr(u.WaitSeconds, defaultUpdateWait) }

// MAC is the algorithm of the key.
func (u ACMEUpdate) MAC() string { return cmp.Or(u.Algorithm, tsigAlgorithms[0]) }

// Timeout bounds one call of the program.
func (h ACMEHook) Timeout() time.Duration { return secondsOr(h.TimeoutSeconds, defaultHookTimeout) }

func secondsOr(n, otherwise int) time.Duration {
	return time.Duration(cmp.Or(n, otherwise)) * time.Second
}

// Bounds and defaults of dns-01.
const (
	defaultUpdateWait  = 120
	maxUpdateWait      = 600
	defaultHookTimeout = 120
	maxHookTimeout     = 600
)

// tsigAlgorithms are those that RFC 8945 §6 has, without the outdated ones.
var tsigAlgorithms = [...]string{"hmac-sha256", "hmac-sha384", "hmac-sha512"}

// ParseTSIGKey reads the secret of a TSIG key, in base64 as tsig-keygen and keymgr
// print it; false where it is none.
func ParseTSIGKey(text string) (key []byte, ok bool) {
	key, err := base64.StdEncoding.DecodeString(text)
	return key, err == nil && len(key) >= 16 && len(key) <= 512
}

// validateDNS reports what is wrong with how dns-01 is answered.
func (s ACMESettings) validateDNS(f *domain.Faults) {
	f.Merge("/dns_update", s.DNSUpdate.validate())
	f.Merge("/dns_hook", s.DNSHook.validate())
	byUpdate, byHook := s.DNSUpdate.Server != "", s.DNSHook.Path != ""
	switch {
	case byUpdate && byHook:
		f.Add("/dns_hook/path", "and dns_update/server exclude each other: clear one of them")
	case s.Challenge == ACMEDNS01 && !byUpdate && !byHook:
		f.Add("/dns_update/server", "or dns_hook/path is required for the challenge dns-01")
	}
}

func (u ACMEUpdate) validate() (f domain.Faults) {
	checkRange(&f, "/wait_seconds", u.WaitSeconds, 0, maxUpdateWait)
	if u.Algorithm != "" {
		checkOneOf(&f, "/algorithm", u.Algorithm, tsigAlgorithms[:]...)
	}
	if u.Server == "" {
		return f
	}
	if _, err := netip.ParseAddrPort(u.Server); err != nil {
		f.Add("/server", "%.100q is no address with port: write 192.0.2.1:53 or [::1]:53", u.Server)
	}
	if u.KeyName == "" {
		f.Add("/key_name", "is required: an update that no key signs could come from anybody")
	}
	if u.KeySecretID == "" {
		f.Add("/secret", "is required: the secret of the TSIG key in base64")
	}
	return f
}

func (h ACMEHook) validate() (f domain.Faults) {
	checkRange(&f, "/timeout_seconds", h.TimeoutSeconds, 0, maxHookTimeout)
	if h.Path != "" && (!path.IsAbs(h.Path) || path.Clean(h.Path) != h.Path || len(h.Path) > maxACMEText || strings.ContainsFunc(h.Path, isControl)) {
		f.Add("/path", "must be the absolute path of a program, without . and .., such as /usr/local/libexec/postern-dns")
	}
	return f
}
