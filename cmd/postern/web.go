package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"postern/api/rest"
	"postern/api/web"
	"postern/api/wellknown"
	"postern/domain/acme"
	"postern/domain/config"
	"postern/domain/policy"
	"postern/smtp/keyring"
)

// The names of the web endpoints, as problems and the start tell them.
const (
	managementHTTPS = "management listener, HTTPS"
	publicHTTP      = "public web listener, HTTP"
	publicHTTPS     = "public web listener, HTTPS"
)

// webroot is where other ACME clients leave their answers, in the data directory.
const webroot = "webroot"

// makeWebroot makes the folder where it is not, so that a client which expects the
// root of a web server finds one (B50). Without it answers still come by the API.
func (a *App) makeWebroot() string {
	root := filepath.Join(a.options.DataDir, webroot)
	if err := os.MkdirAll(filepath.Join(root, ".well-known", "acme-challenge"), 0o750); err != nil {
		a.logger.Warn("the webroot of other ACME clients cannot be made", "error", err.Error())
	}
	return root
}

// websites are the web endpoints that follow the configuration: everything but the
// clear side of the management listener (B50).
type websites struct {
	endpoints  *web.Endpoints
	challenges *acme.Challenges
	tlsAnswers *acme.TLSAnswers
	management http.Handler
	public     http.Handler
	release    func() // of the certificates that the endpoints are bound to
}

func (a *App) makeWeb(ctx context.Context) error {
	challenges, err := acme.NewChallenges(ctx, a.database.Challenges(), time.Now)
	a.web = websites{
		endpoints: &web.Endpoints{Log: a.logger}, challenges: challenges, tlsAnswers: new(acme.TLSAnswers), release: func() {},
		public: wellknown.New(wellknown.Config{Challenges: challenges, Webroot: a.makeWebroot(), Policy: a.hostedPolicy}),
	}
	return err
}

// followWeb brings the web endpoints of a snapshot into force. Certificates that they
// and the outbound client role are bound to are held before those of the snapshot before are let go.
func (a *App) followWeb(ctx context.Context, s *config.Snapshot) []config.Problem {
	release, err := a.ring.Hold(ctx, bound(s.Settings.Management.CertificateID, s.Settings.PublicWeb.CertificateID, s.Settings.Outbound.CertificateID)...)
	if err != nil {
		return []config.Problem{{Part: "web listeners", Detail: "a certificate cannot be opened: " + err.Error()}}
	}
	var problems []config.Problem
	for _, p := range a.web.endpoints.Follow(ctx, a.webEndpoints(s)) {
		problems = append(problems, config.Problem{Part: p.Endpoint, Detail: p.Err.Error()})
	}
	a.web.release()
	a.web.release = release
	return problems
}

// bound drops the empty ids, which bind to the active certificate.
func bound(ids ...string) (list []string) {
	for _, id := range ids {
		if id != "" {
			list = append(list, id)
		}
	}
	return list
}

// webEndpoints are those that the snapshot wants. HTTPS is served while TLS is
// switched on (B1).
func (a *App) webEndpoints(s *config.Snapshot) (list []web.Endpoint) {
	https := s.Settings.TLS.Enabled
	add := func(name string, e policy.WebEndpoint, tlsConfig *tls.Config, server func() *http.Server) {
		if e.Enabled && (https || tlsConfig == nil) {
			list = append(list, web.Endpoint{Name: name, Address: e.AddrPort(), TLS: tlsConfig, Server: server})
		}
	}
	management := func() *http.Server { return rest.NewServer(a.web.management, a.logger) }
	public := func() *http.Server { return wellknown.NewServer(a.web.public, a.logger) }
	add(managementHTTPS, s.Settings.Management.HTTPS, a.webTLS(s, s.Settings.Management.CertificateID), management)
	add(publicHTTP, s.Settings.PublicWeb.HTTP, nil, public)
	add(publicHTTPS, s.Settings.PublicWeb.HTTPS, a.answering(a.webTLS(s, s.Settings.PublicWeb.CertificateID)), public)
	return list
}

// webTLS is the TLS of a web endpoint; HTTPS needs no version below 1.2 for anyone.
func (a *App) webTLS(s *config.Snapshot, binding string) *tls.Config {
	return a.ring.ServerConfig(keyring.ServerOptions{
		Binding: binding, MinVersion: max(tls.VersionTLS12, uint16(s.Settings.TLS.MinVersion)), NextProtos: []string{"http/1.1"},
	})
}

// answering is the TLS of the public web listener, which answers authorities too: a
// handshake that is a challenge gets the challenge's certificate, or fails (RFC 8737
// §3).
func (a *App) answering(c *tls.Config) *tls.Config {
	serve := c.GetCertificate
	c.NextProtos = append(c.NextProtos, acme.ALPN)
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if !acme.Asks(hello) {
			return serve(hello)
		}
		if answer := a.web.tlsAnswers.Get(hello.ServerName); answer != nil {
			return answer, nil
		}
		return nil, errors.New("no tls-alpn-01 challenge waits for this name")
	}
	return c
}
