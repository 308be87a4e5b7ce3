package keyring

import (
	"cmp"
	"crypto/tls"
	"errors"
	"strings"

	"postern/domain/policy"
)

// ServerOptions are the TLS settings of one endpoint.
type ServerOptions struct {
	// Binding is the id of a certificate that is held; empty means the active
	// one (B41).
	Binding string
	// MinVersion is a tls.Version constant; 0 means TLS 1.2 (B9).
	MinVersion uint16
	// Ciphers is the cipher profile; empty means policy.CipherDefault.
	Ciphers policy.CipherProfile
	// SessionTickets allows resumption. Off by default: the tickets of a Go
	// server make some Microsoft senders give up (golang/go issue 70232, B9). A
	// session that is resumed shows no certificate, hence no new one either.
	SessionTickets bool
	// NextProtos are the ALPN protocols (RFC 7301); nil for SMTP.
	NextProtos []string
}

// ServerConfig returns the TLS configuration of an endpoint. It stays valid for
// the life of the endpoint: the certificate is looked up at each handshake.
//
// Groups, and cipher suites unless the profile says otherwise, are those of
// crypto/tls: forward secrecy and AEAD first, post-quantum hybrids where the
// peer has them.
func (r *Ring) ServerConfig(o ServerOptions) *tls.Config {
	c := &tls.Config{
		MinVersion:             cmp.Or(o.MinVersion, tls.VersionTLS12),
		SessionTicketsDisabled: !o.SessionTickets,
		NextProtos:             o.NextProtos,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return r.serve(o.Binding, hello.ServerName)
		},
	}
	applyProfile(c, o.Ciphers)
	return c
}

// ClientCertificate returns a callback for tls.Config.GetClientCertificate: the
// certificate that the outbound role is bound to, or the active one. A peer
// that could not make use of it gets none and decides by itself (RFC 8446
// §4.4.2).
func (r *Ring) ClientCertificate(binding string) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		e := r.table.Load().standard(binding)
		if e == nil || request.SupportsCertificate(&e.tls) != nil {
			return &tls.Certificate{}, nil
		}
		return &e.tls, nil
	}
}

// serve chooses for one handshake.
func (r *Ring) serve(binding, serverName string) (*tls.Certificate, error) {
	e := r.table.Load().choose(binding, strings.ToLower(serverName))
	if e == nil {
		return nil, errors.New("no certificate is active")
	}
	return &e.tls, nil
}
