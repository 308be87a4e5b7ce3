package policy

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// CoreProfile is a server profile of type core as content inspection reads it: a
// MetaDefender Core, or several that stand in for each other (B32, B34).
type CoreProfile ServerProfile

// Bounds of a profile of type core. An inspection happens while a client waits for the reply
// to its message: RFC 5321 §4.5.3.2.6 gives that ten minutes, and many clients
// give it five.
const (
	maxRuleOctets         = 255
	maxAPIKeyOctets       = 255
	defaultInspectionTime = 60 * time.Second
	maxInspectionSeconds  = 240
)

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// Verifies reports whether the peer's certificate must be trusted.
func (p CoreProfile) Verifies() bool { return ServerProfile(p).Verifies() }

// Timeout returns how long one inspection may take.
func (p CoreProfile) Timeout() time.Duration {
	if p.TimeoutSeconds == 0 {
		return defaultInspectionTime
	}
	return time.Duration(p.TimeoutSeconds) * time.Second
}

// Endpoints returns the URIs taken apart, in order; none where Validate objects.
func (p CoreProfile) Endpoints() []*url.URL {
	var list []*url.URL
	for _, uri := range p.URIs {
		if u, err := parseCoreURI(uri); err == nil {
			list = append(list, u)
		}
	}
	return list
}

// MaySendKey reports whether the API key may go to the endpoint: over verified
// TLS, or where the profile says so in so many words (B32).
func (p CoreProfile) MaySendKey(u *url.URL) bool {
	return u.Scheme == schemeHTTPS && p.Verifies() || p.AllowUnverified
}

// validate holds the profile to the rules of its type.
func (p CoreProfile) validate() (f domain.Faults) {
	exposed := false
	for i, uri := range p.URIs {
		u, err := parseCoreURI(uri)
		if err != nil {
			f.Add(fmt.Sprintf("/uris/%d", i), "%s", err.Detail)
			continue
		}
		exposed = exposed || !p.MaySendKey(u)
	}
	if p.APIKeyID != "" && exposed {
		f.Add("/allow_credentials_over_unverified_tls", "must be true to send the API key by http:// or without verification; better use https:// and leave verify on")
	}
	if len(p.Rule) > maxRuleOctets || strings.ContainsFunc(p.Rule, isControl) {
		f.Add("/rule", "must have at most %d octets, without control characters", maxRuleOctets)
	}
	checkRange(&f, "/timeout_seconds", p.TimeoutSeconds, 0, maxInspectionSeconds)
	return f
}

// CheckAPIKey reports what keeps a text from being an API key: it travels as the
// value of an HTTP header.
func CheckAPIKey(pointer, key string) (f domain.Faults) {
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	if key == "" || len(key) > maxAPIKeyOctets || strings.TrimFunc(key, visible) != "" {
		f.Add(pointer, "must be 1 to %d visible ASCII characters, without spaces", maxAPIKeyOctets)
	}
	return f
}

// warnings names what is allowed and yet should be looked at.
func (p CoreProfile) warnings() (f domain.Faults) {
	if !p.Verifies() {
		f.Add("/verify", "whoever answers at the address reads all mail and is taken at its word")
	}
	for i, u := range p.Endpoints() {
		addr, err := netip.ParseAddr(u.Hostname())
		if u.Scheme == schemeHTTP && (err != nil || !addr.IsLoopback()) {
			f.Add(fmt.Sprintf("/uris/%d", i), "mail leaves this machine in clear: use https://")
		}
	}
	return f
}

// parseCoreURI reads http://host[:port][/path] or https://host[:port][/path]. Its
// errors do not repeat the URI: whatever its form, it may hold a password or key.
func parseCoreURI(uri string) (*url.URL, *domain.Error) {
	const form = "write https://host[:port] or http://host[:port]"
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return nil, domain.E(domain.Invalid, "is no URI: %s", form)
	case u.User != nil:
		return nil, domain.E(domain.Invalid, "holds credentials: put the API key into api_key")
	case u.Scheme != schemeHTTP && u.Scheme != schemeHTTPS:
		return nil, domain.E(domain.Invalid, "has another scheme than http and https: %s", form)
	case u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, domain.E(domain.Invalid, "has more than host, port and path: %s", form)
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		if _, err := mailaddr.ParseDomainName(u.Hostname()); err != nil {
			return nil, domain.E(domain.Invalid, "%q is neither a host name nor an IP address", u.Hostname())
		}
	}
	if u.Port() != "" {
		if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return nil, domain.E(domain.Invalid, "the port %q is not from 1 to 65535", u.Port())
		}
	}
	return u, nil
}
