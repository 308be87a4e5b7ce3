package inbound

import (
	"postern/domain/policy"
	history "postern/domain/session"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// Sessions keeps what became of sessions (B72). It must not block.
type Sessions interface {
	Record(history.Record)
}

var _ Sessions = (*history.Recorder)(nil)

// refuse notes for the history that the client is refused something, and returns
// the reply that says so.
func (c *client) refuse(by string, r reply.Reply) reply.Reply {
	c.record.Refuse(by, r.String())
	return r
}

// recordEnd gives the session to the history. It follows observeEnd, which has
// the last word on what became of TLS.
func (c *client) recordEnd() {
	deps := c.handler.deps
	if deps.Sessions == nil {
		return
	}
	r := c.record
	r.ID, r.At, r.Duration = deps.NewID(), c.began.UTC(), deps.Now().Sub(c.began)
	r.Listener, r.Client, r.Names = c.handler.listener.Name, c.addr, c.names
	r.Group, r.Policy = c.group, c.policy.Name
	r.Offered = c.offerTLS || c.handler.listener.Protocol == policy.ProtocolSMTPS
	r.Result, r.TLS, r.Accepted = c.result, c.tls, c.messages
	r.Revision = c.handler.snapshot.Revision
	deps.Sessions.Record(r)
}

// certificateResult sorts what verification found for the history.
func certificateResult(r tlsverify.Result) history.CertificateResult {
	switch {
	case r.Verified:
		return history.CertificateVerified
	case r.Reason == tlsverify.NoCertificate:
		return history.CertificateMissing
	}
	return history.CertificateInvalid
}
