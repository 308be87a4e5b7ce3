package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dns"
	"postern/smtp/proof"
	"postern/smtp/watch"
)

// tlsaTimeout bounds the look at what is published, which an activation waits for.
const tlsaTimeout = 10 * time.Second

// startCertificates begins to activate what is staged.
func (a *App) startCertificates() {
	activations := watch.NewActivations(a.certificates, a.alerts.service, a.bus, a.logger, time.Now)
	a.background.run(activations.Run)
}

// clientCertificate is what we show to servers that ask who we are, by the binding
// of the newest configuration (B41).
func (a *App) clientCertificate(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return a.ring.ClientCertificate(a.config.Snapshot().Settings.Outbound.CertificateID)(r)
}

// followClientCertificate ends the idle connections to servers that know us by
// another certificate than is bound now. It is called for one snapshot at a time.
func (a *App) followClientCertificate(s *config.Snapshot) {
	if binding := s.Settings.Outbound.CertificateID; binding != a.shownAsUs {
		a.shownAsUs = binding
		a.deliverer.CloseIdle()
	}
}

// boundCertificates returns the ids of all bindings; an empty one is the active
// certificate.
func boundCertificates(s *config.Snapshot) []string {
	ids := []string{s.Settings.Management.CertificateID, s.Settings.PublicWeb.CertificateID, s.Settings.Outbound.CertificateID}
	for _, l := range s.Listeners() {
		ids = append(ids, l.CertificateID)
	}
	return ids
}

// publications looks up the TLSA records of the listeners that serve the active
// certificate (B54).
type publications struct{ app *App }

var _ certificate.Publications = publications{}

// Publications is [certificate.Publications.Publications]. An answer that cannot be
// had proves nothing, and is logged: a resolver that is down must not keep a new
// certificate from being activated.
func (p publications) Publications(ctx context.Context) ([]certificate.Publication, error) {
	ctx, cancel := context.WithTimeout(ctx, tlsaTimeout)
	defer cancel()
	var list []certificate.Publication
	for _, o := range p.app.config.Snapshot().TLSAOwners("") {
		found, err := p.app.resolver.LookupTLSA(ctx, o.Port, o.Host)
		if err != nil {
			var failure *dns.Error
			if !errors.As(err, &failure) {
				return nil, err
			}
			p.app.logger.WarnContext(ctx, "published TLSA records not looked up", "host", o.Host, "error", err.Error())
			continue
		}
		if !found.Authenticated { // RFC 7672 §2.1.1
			continue
		}
		publication := certificate.Publication{Host: o.Host, Port: o.Port}
		for _, r := range found.Records {
			publication.Records = append(publication.Records, certificate.TLSA(r))
		}
		list = append(list, publication)
	}
	return list, nil
}

// proveCertificate connects to every endpoint of ours that speaks TLS and tells
// whether it serves the certificate (B51).
func (a *App) proveCertificate(ctx context.Context, c certificate.Certificate) []probe.ServedCertificate {
	names := []string{""}
	for _, name := range c.Names {
		if _, err := netip.ParseAddr(name); err != nil {
			names = append(names, strings.Replace(name, "*.", "proof.", 1))
		}
	}
	served := proof.Prove(ctx, new(net.Dialer), a.endpoints(), names)
	for i := range served {
		s := &served[i]
		s.Served = s.Fingerprint != "" && s.Fingerprint == c.Fingerprint
	}
	return a.expectedOf(c, served)
}

// expectedOf fills in which of the endpoints are to serve the certificate, and the
// id of what they do serve.
func (a *App) expectedOf(c certificate.Certificate, served []probe.ServedCertificate) []probe.ServedCertificate {
	bindings := map[string]string{}
	for _, e := range a.endpoints() {
		bindings[e.Name] = e.Binding
	}
	for i := range served {
		s := &served[i]
		if shown, ok := a.ring.Choice(bindings[s.Endpoint], s.ServerName); ok {
			s.Expected = shown.ID == c.ID
			if shown.Fingerprint == s.Fingerprint {
				s.CertificateID = shown.ID
			}
		}
	}
	return served
}

// endpoints are all that speak TLS now, by where they listen.
func (a *App) endpoints() []proof.Endpoint {
	s := a.config.Snapshot()
	if !s.Settings.TLS.Enabled { // B1
		return nil
	}
	var list []proof.Endpoint
	for _, status := range a.Listeners() {
		if l, ok := s.Listener(status.Name); ok {
			list = append(list, proof.Endpoint{
				Name: "listener " + l.Name, Address: status.Address, STARTTLS: l.Protocol == policy.ProtocolSMTP, Binding: l.CertificateID,
				Proxied: func(addr netip.Addr) bool {
					return slices.ContainsFunc(l.ProxyProtocolFrom, func(p mailaddr.EndpointPattern) bool { return p.MatchAddr(addr) })
				},
			})
		}
	}
	for name, binding := range map[string]string{
		managementHTTPS: s.Settings.Management.CertificateID, publicHTTPS: s.Settings.PublicWeb.CertificateID,
	} {
		if addr := a.web.endpoints.Addr(name); addr != nil {
			list = append(list, proof.Endpoint{Name: name, Address: addr.String(), Binding: binding})
		}
	}
	return list
}
