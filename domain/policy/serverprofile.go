package policy

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// ServerType is what kind of server a profile describes (B32).
type ServerType string

// The types of server profile.
const (
	ServerSMTP ServerType = "smtp" // a next hop of routes
	ServerCore ServerType = "core" // a MetaDefender Core that inspects content (B34)
)

// ServerPreference says in what order the URIs of a profile are used (B32).
type ServerPreference string

// The preferences; the empty one is failover.
const (
	PreferFailover   ServerPreference = "failover"    // the first that is in reach
	PreferRoundRobin ServerPreference = "round_robin" // by turns per connection
)

// TransportEncryption is what is done with STARTTLS on smtp URIs (B32). On smtps
// URIs TLS begins before SMTP does, and there is nothing to choose.
type TransportEncryption string

// The transport encryptions.
const (
	TransportUnset            TransportEncryption = ""
	TransportNone             TransportEncryption = "none"
	TransportSTARTTLSOptional TransportEncryption = "starttls_optional"
	TransportSTARTTLSRequired TransportEncryption = "starttls_required"
)

// ServerProfile is a server, or several that stand in for each other, with all
// that is needed to use it (B32). Some fields belong to one type and must be
// empty in a profile of another.
type ServerProfile struct {
	Name string     `json:"name"`
	Type ServerType `json:"type"`
	// URIs are, in order, smtp://host[:port] or smtps://host[:port] for type smtp,
	// and http://host[:port][/path] or https://host[:port][/path] for type core.
	URIs       []string         `json:"uris"`
	Preference ServerPreference `json:"preference,omitempty"`
	// TransportEncryption is of type smtp.
	TransportEncryption TransportEncryption `json:"transport_encryption,omitempty"`
	// Verify says that the peer's certificate must be trusted; nil means yes.
	Verify *bool `json:"verify,omitempty"`
	// Username is of type smtp; empty: no credentials.
	Username string `json:"username,omitempty"`
	// PasswordID, of type smtp, refers to the sealed password: the document never
	// holds it.
	PasswordID string `json:"password_id,omitempty"`
	// APIKeyID, of type core, refers to the sealed API key in the same way. Empty:
	// the Core asks for none.
	APIKeyID string `json:"api_key_id,omitempty"`
	// AllowUnverified lets credentials go to a peer that is not verified.
	AllowUnverified bool `json:"allow_credentials_over_unverified_tls,omitempty"`
	// ClientCertificate shows our active certificate where the peer asks for one.
	ClientCertificate bool `json:"client_certificate,omitempty"`
	// Rule, of type core, names the Core's workflow rule; empty lets the Core
	// choose.
	Rule string `json:"rule,omitempty"`
	// TimeoutSeconds, of type core, bounds one inspection from end to end, all URIs
	// together; 0 means 60.
	TimeoutSeconds int    `json:"timeout_seconds,omitempty"`
	Description    string `json:"description,omitempty"`
}

// Bounds of a profile.
const (
	maxURIs           = 10
	maxUsernameOctets = 255
)

// Verifies reports whether the peer's certificate must be trusted.
func (p ServerProfile) Verifies() bool { return p.Verify == nil || *p.Verify }

// HasCredentials reports whether an SMTP session authenticates.
func (p ServerProfile) HasCredentials() bool { return p.Username != "" }

// Validate reports every broken rule of the profile by itself.
func (p ServerProfile) Validate() (f domain.Faults) {
	checkName(&f, "/name", p.Name)
	checkText(&f, "/description", p.Description)
	checkOneOf(&f, "/preference", p.Preference, "", PreferFailover, PreferRoundRobin)
	if len(p.URIs) == 0 || len(p.URIs) > maxURIs {
		f.Add("/uris", "must hold 1 to %d URIs", maxURIs)
	}
	switch p.Type {
	case ServerSMTP:
		f.Merge("", p.validateSMTP())
	case ServerCore:
		f.Merge("", CoreProfile(p).validate())
	default:
		checkOneOf(&f, "/type", p.Type, ServerSMTP, ServerCore)
		return f
	}
	f.Merge("", p.validateOwnership())
	return f
}

// validateOwnership refuses what belongs to profiles of another type: it would do
// nothing, and whoever wrote it expects that it does.
func (p ServerProfile) validateOwnership() (f domain.Faults) {
	for _, field := range []struct {
		pointer string
		set     bool
		owner   ServerType
	}{
		{"/transport_encryption", p.TransportEncryption != TransportUnset, ServerSMTP},
		{"/username", p.Username != "", ServerSMTP},
		{"/password", p.PasswordID != "", ServerSMTP},
		{"/api_key", p.APIKeyID != "", ServerCore},
		{"/rule", p.Rule != "", ServerCore},
		{"/timeout_seconds", p.TimeoutSeconds != 0, ServerCore},
	} {
		if field.set && field.owner != p.Type {
			f.Add(field.pointer, "belongs to profiles of type %s: leave it out in one of type %s", field.owner, p.Type)
		}
	}
	return f
}

// validateSMTP holds the profile to the rules of its type.
func (p ServerProfile) validateSMTP() (f domain.Faults) {
	checkOneOf(&f, "/transport_encryption", p.TransportEncryption,
		TransportUnset, TransportNone, TransportSTARTTLSOptional, TransportSTARTTLSRequired)
	clear := false
	for i, uri := range p.URIs {
		e, err := parseServerURI(uri)
		at := fmt.Sprintf("/uris/%d", i)
		switch {
		case err != nil:
			f.Add(at, "%s", err.Detail)
		case e.ImplicitTLS && p.startsTLS():
			// B32: refused together.
			f.Add(at, "smtps is TLS from its first octet, which excludes transport_encryption %s: leave that out, or write smtp://", p.TransportEncryption)
		case !e.ImplicitTLS:
			clear = true
		}
	}
	if clear && p.TransportEncryption == TransportUnset {
		f.Add("/transport_encryption", "is required with smtp:// URIs: use %s, %s or %s", TransportSTARTTLSRequired, TransportSTARTTLSOptional, TransportNone)
	}
	f.Merge("", p.validateCredentials(clear))
	return f
}

func (p ServerProfile) startsTLS() bool {
	return p.TransportEncryption == TransportSTARTTLSOptional || p.TransportEncryption == TransportSTARTTLSRequired
}

// validateCredentials keeps secrets off links that are not verified (B32).
func (p ServerProfile) validateCredentials(clear bool) (f domain.Faults) {
	switch {
	case !p.HasCredentials() && p.PasswordID != "":
		f.Add("/username", "is required with a password")
	case p.HasCredentials() && p.PasswordID == "":
		f.Add("/password", "is required with a username")
	}
	if len(p.Username) > maxUsernameOctets || strings.ContainsAny(p.Username, "\x00\r\n") {
		f.Add("/username", "must have at most %d octets, without line breaks", maxUsernameOctets)
	}
	if !p.HasCredentials() {
		return f
	}
	if clear && p.TransportEncryption == TransportNone {
		f.Add("/transport_encryption", "none would send the credentials in clear: use %s", TransportSTARTTLSRequired)
	}
	if !p.Verifies() && !p.AllowUnverified {
		f.Add("/allow_credentials_over_unverified_tls", "must be true to send credentials to a peer that is not verified; better leave verify on")
	}
	return f
}

// Warnings names what is allowed and yet should be looked at.
func (p ServerProfile) Warnings() (f domain.Faults) {
	if p.Type == ServerCore {
		return CoreProfile(p).warnings()
	}
	if !p.Verifies() {
		f.Add("/verify", "whoever answers at the address is taken for the server")
	}
	if p.HasCredentials() && p.TransportEncryption == TransportSTARTTLSOptional {
		f.Add("/transport_encryption", "credentials never go in clear: mail waits where the peer does not offer STARTTLS; %s says so", TransportSTARTTLSRequired)
	}
	return f
}

// ServerEndpoint is one URI of a profile of type smtp, taken apart. Either Host
// or Addr is set.
type ServerEndpoint struct {
	Host        mailaddr.DomainName
	Addr        netip.Addr
	Port        int
	ImplicitTLS bool // smtps (RFC 8314 §3.3)
}

// The ports of URIs without one: RFC 5321 §4.5.4.2 and RFC 8314 §7.3.
const (
	schemeSMTP  = "smtp"
	schemeSMTPS = "smtps"

	defaultSMTPSPort = 465
)

// Endpoints returns the URIs of a profile of type smtp taken apart, in order; none
// where Validate objects.
func (p ServerProfile) Endpoints() []ServerEndpoint {
	var list []ServerEndpoint
	for _, uri := range p.URIs {
		if e, err := parseServerURI(uri); err == nil {
			list = append(list, e)
		}
	}
	return list
}

// parseServerURI reads smtp://host[:port] or smtps://host[:port]. Its errors do
// not repeat the URI: whatever its form, it may hold a password.
func parseServerURI(uri string) (ServerEndpoint, *domain.Error) {
	const form = "write smtp://host[:port] or smtps://host[:port]"
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ServerEndpoint{}, domain.E(domain.Invalid, "is no URI: %s", form)
	case u.User != nil:
		return ServerEndpoint{}, domain.E(domain.Invalid, "holds credentials: put them into username and password")
	case u.Scheme != schemeSMTP && u.Scheme != schemeSMTPS:
		return ServerEndpoint{}, domain.E(domain.Invalid, "has another scheme than smtp and smtps: %s", form)
	case u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return ServerEndpoint{}, domain.E(domain.Invalid, "has more than host and port: %s", form)
	}
	e := ServerEndpoint{ImplicitTLS: u.Scheme == schemeSMTPS}
	return e.at(u)
}

// at fills in where the URI leads.
func (e ServerEndpoint) at(u *url.URL) (ServerEndpoint, *domain.Error) {
	var isAddr bool
	if e.Addr, isAddr = parseHostAddr(u.Hostname()); !isAddr {
		var err error
		if e.Host, err = mailaddr.ParseDomainName(u.Hostname()); err != nil {
			return e, domain.E(domain.Invalid, "%q is neither a host name nor an IP address", u.Hostname())
		}
	}
	e.Port = DefaultSMTPPort
	if e.ImplicitTLS {
		e.Port = defaultSMTPSPort
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil || port < 1 || port > 65535 {
			return e, domain.E(domain.Invalid, "the port %q is not from 1 to 65535", u.Port())
		}
		e.Port = port
	}
	return e, nil
}

// Requirement is what the profile asks of a connection to the endpoint. The peer
// must always be trusted, for optional STARTTLS too, and for no other name than
// that of the URI: a certificate of the recipient domain would not keep the
// credentials safe (B32).
func (p ServerProfile) Requirement(e ServerEndpoint) *ProfileRequirement {
	r := &ProfileRequirement{Name: p.Name}
	switch {
	case e.ImplicitTLS || p.TransportEncryption == TransportSTARTTLSRequired:
		r.Level = TLSRequired
	case p.TransportEncryption == TransportSTARTTLSOptional:
		r.Level, r.Optional = TLSPreferred, true
	}
	if p.Verifies() && r.Level > TLSNone {
		r.Check = CheckMXHost
	}
	return r
}
