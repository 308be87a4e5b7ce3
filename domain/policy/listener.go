package policy

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// ListenerKind says who connects to a listener (B11, B18).
type ListenerKind string

// The kinds of listener.
const (
	ListenerPublic  ListenerKind = "public"  // the Internet: hosted domains only
	ListenerPrivate ListenerKind = "private" // our own mail servers
)

// ListenerProtocol says how TLS starts on a listener (B11).
type ListenerProtocol string

// The protocols of a listener.
const (
	ProtocolSMTP  ListenerProtocol = "smtp"  // STARTTLS, RFC 3207
	ProtocolSMTPS ListenerProtocol = "smtps" // implicit TLS, RFC 8314
)

// Listener is one address on which mail is received (B11). Zero values of
// MaxConcurrency and TCPQueue mean 1000 and 50.
type Listener struct {
	Name     string           `json:"name"`
	Kind     ListenerKind     `json:"kind"`
	Address  string           `json:"address"` // IP address; empty: all
	Port     int              `json:"port"`    // 0: chosen by the system
	Protocol ListenerProtocol `json:"protocol"`
	// HostName is what the banner and the Received header say.
	HostName mailaddr.DomainName `json:"host_name"`
	// DefaultDomain completes addresses without a domain (postmaster).
	DefaultDomain  mailaddr.DomainName `json:"default_domain,omitempty"`
	MaxConcurrency int                 `json:"max_concurrency,omitempty"` // connections at a time
	TCPQueue       int                 `json:"tcp_queue,omitempty"`       // connections waiting to be accepted
	// CertificateID binds a certificate; empty means the active one (B41).
	CertificateID  string     `json:"certificate_id,omitempty"`
	MinVersion     TLSVersion `json:"min_tls_version,omitempty"`
	SessionTickets bool       `json:"session_tickets,omitempty"` // B9
	// CipherProfile chooses the cipher suites; empty means CipherDefault.
	CipherProfile CipherProfile `json:"cipher_profile,omitempty"`
	// ProxyProtocolFrom are the addresses and networks of proxies: from them a
	// PROXY header is required and believed, from others it is not read (B11).
	ProxyProtocolFrom []mailaddr.EndpointPattern `json:"proxy_protocol_from,omitempty"`
	// Defaults are what a mail flow policy inherits where it is unset (B14).
	Defaults FlowParameters `json:"default_policy_parameters"`
}

// Defaults of B11.
const (
	DefaultMaxConcurrency = 1000
	DefaultTCPQueue       = 50
)

// AddrPort returns "address:port" as net.Listen takes it.
func (l Listener) AddrPort() string {
	if addr, err := netip.ParseAddr(l.Address); err == nil {
		return netip.AddrPortFrom(addr, uint16(l.Port)).String()
	}
	return ":" + strconv.Itoa(l.Port)
}

// Validate reports every broken rule of the listener by itself.
func (l Listener) Validate() (f domain.Faults) {
	checkName(&f, "/name", l.Name)
	checkOneOf(&f, "/kind", l.Kind, ListenerPublic, ListenerPrivate)
	checkOneOf(&f, "/protocol", l.Protocol, ProtocolSMTP, ProtocolSMTPS)
	if l.Address != "" {
		if _, err := netip.ParseAddr(l.Address); err != nil {
			f.Add("/address", "%q is no IP address; leave it empty to listen on all", l.Address)
		}
	}
	checkRange(&f, "/port", l.Port, 0, 65535)
	if l.HostName == "" {
		f.Add("/host_name", "is required: the name that the banner shows, as mail.example.com")
	}
	checkRange(&f, "/max_concurrency", l.MaxConcurrency, 0, 1_000_000)
	checkRange(&f, "/tcp_queue", l.TCPQueue, 0, 65535)
	l.checkCiphers(&f)
	l.checkProxies(&f)
	f.Merge("/default_policy_parameters", l.Defaults.Validate())
	return f
}

// Warnings tells what is allowed and seldom meant.
func (l Listener) Warnings() (f domain.Faults) {
	if l.MinVersion != 0 && l.MinVersion < tls.VersionTLS12 {
		f.Add("/min_tls_version", "TLS %s is deprecated (RFC 8996): leave it out unless a known sender has nothing better", l.MinVersion)
	}
	l.warnProxies(&f)
	f.Merge("/default_policy_parameters", l.Defaults.Warnings())
	return f
}

// WithDefaults returns the listener with B11's defaults filled in.
func (l Listener) WithDefaults() Listener {
	if l.MaxConcurrency == 0 {
		l.MaxConcurrency = DefaultMaxConcurrency
	}
	if l.TCPQueue == 0 {
		l.TCPQueue = DefaultTCPQueue
	}
	if l.DefaultDomain == "" {
		l.DefaultDomain = l.HostName
	}
	return l
}

// checkName holds the names that people choose to what is safe in a URL.
func checkName(f *domain.Faults, pointer, name string) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	switch {
	case name == "":
		f.Add(pointer, "is required")
	case len(name) > 64:
		f.Add(pointer, "is longer than 64 characters")
	case strings.Trim(name, allowed) != "" || name[0] == '.':
		f.Add(pointer, "may hold letters, digits, '_', '-' and '.' only, and may not begin with '.'")
	}
}

func checkOneOf[T ~string](f *domain.Faults, pointer string, v T, allowed ...T) {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		if v == a {
			return
		}
		names[i] = string(a)
	}
	f.Add(pointer, "%q is unknown: use one of %s", string(v), strings.Join(names, ", "))
}

func checkRange(f *domain.Faults, pointer string, v, low, high int) {
	if v < low || v > high {
		f.Add(pointer, "must be from %d to %d", low, high)
	}
}
