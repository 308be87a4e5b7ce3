package inbound

import (
	"crypto/tls"
	"crypto/x509"

	"postern/domain/policy"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// prepareClientCertificates makes the configuration of handshakes that ask the
// client for a certificate, where a mail flow policy wants it (B17).
//
// The handshake takes whatever is shown, or nothing: verification comes behind
// it, so that a client which fails hears 554 under TLS instead of an alert that
// most mail servers take for broken TLS. crypto/tls has by then made sure that
// the client holds the key.
func (h *Handler) prepareClientCertificates() {
	anchors := h.snapshot.TrustAnchors(policy.TrustClients)
	h.clientTrust = tlsverify.NewTrust(nil, anchors, nil) // own anchors, never the system's
	h.tlsAsking = h.tls.Clone()
	h.tlsAsking.ClientAuth = tls.RequestClientCert
	// The names of the anchors help a client with several certificates to choose.
	h.tlsAsking.ClientCAs = x509.NewCertPool()
	for _, anchor := range anchors {
		h.tlsAsking.ClientCAs.AddCert(anchor)
	}
}

// verify judges the certificate that the client showed, leaf first, if its
// policy asks for one.
func (c *client) verify(chain []*x509.Certificate) {
	if !c.policy.AsksClients() {
		return
	}
	result := tlsverify.VerifyClient(chain, c.handler.clientTrust, c.handler.deps.Now())
	c.tls.Verified, c.tls.Verification = result.Verified, result.String()
	c.record.Certificate = certificateResult(result)
	if result.Verified {
		c.subject = result.Matched
		return
	}
	if !c.policy.VerifiesClients() {
		return // B72: for the record
	}
	// B17: preferred goes on without a certificate, never with an invalid one.
	if result.Reason == tlsverify.NoCertificate && !c.requireTLS {
		return
	}
	// RFC 3207 §4.1: every command but QUIT is answered 554. Why stays in the
	// log: it is of use to the one who forges.
	refusal := reply.ClientCertificateRefused()
	c.refusal = &refusal
	c.record.Refuse("client_certificate", refusal.String())
	c.log("tls", "result", "certificate_refused")
}
