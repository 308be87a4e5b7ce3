package policy

import (
	"net/netip"

	"postern/domain"
)

// WebEndpoint is an address on which HTTP or HTTPS is served.
type WebEndpoint struct {
	Enabled bool   `json:"enabled"`
	Address string `json:"address"` // IP address; empty: every address, of both families
	Port    int    `json:"port"`    // 0: the system chooses
}

// AddrPort returns where to listen, as "127.0.0.1:8443".
func (e WebEndpoint) AddrPort() string { return Listener{Address: e.Address, Port: e.Port}.AddrPort() }

func (e WebEndpoint) validate(f *domain.Faults, at string) {
	if _, err := netip.ParseAddr(e.Address); err != nil && e.Address != "" {
		f.Add(at+"/address", "%q is no IP address: write one such as 192.0.2.1, or leave it empty for every address", e.Address)
	}
	checkRange(f, at+"/port", e.Port, 0, 65535)
}

// PublicWebSettings are the public web listener: what the Internet may ask by HTTP
// (B50). HTTPS is served while tls.enabled is on (B1).
type PublicWebSettings struct {
	HTTP  WebEndpoint `json:"http"`
	HTTPS WebEndpoint `json:"https"`
	// CertificateID is what HTTPS shows for a name that no certificate covers;
	// empty: the active one (B41).
	CertificateID string `json:"certificate_id"`
}

// DefaultPublicWebSettings are those of a fresh installation: nothing is served.
func DefaultPublicWebSettings() PublicWebSettings {
	return PublicWebSettings{HTTP: WebEndpoint{Port: 80}, HTTPS: WebEndpoint{Port: 443}}
}

// Validate reports every broken rule of the settings.
func (s PublicWebSettings) Validate() (f domain.Faults) {
	s.HTTP.validate(&f, "/http")
	s.HTTPS.validate(&f, "/https")
	return f
}

// ManagementSettings are the HTTPS side of the management listener. It is served
// while tls.enabled is on (B1); the clear one, on loopback, is no configuration.
type ManagementSettings struct {
	HTTPS WebEndpoint `json:"https"`
	// CertificateID is what it shows; empty: the active one (B41).
	CertificateID string `json:"certificate_id"`
}

// DefaultManagementSettings are those of a fresh installation: HTTPS as soon as TLS
// is on, for this machine.
func DefaultManagementSettings() ManagementSettings {
	return ManagementSettings{HTTPS: WebEndpoint{Enabled: true, Address: "127.0.0.1", Port: 8443}}
}

// Validate reports every broken rule of the settings.
func (s ManagementSettings) Validate() (f domain.Faults) {
	s.HTTPS.validate(&f, "/https")
	return f
}
