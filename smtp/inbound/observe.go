package inbound

import (
	"context"
	"log/slog"

	"golang.org/x/net/publicsuffix"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/maillog"
)

// Observer is told what becomes of TLS on connections, and of the messages that
// they carry (B66). It must not block.
type Observer interface {
	// CountConnection is told of every connection at its end.
	CountConnection(tlsreport.Connection)
	// CountMessage is told of every message that was accepted.
	CountMessage(tlsreport.Connection)
}

var _ Observer = (*tlsreport.Recorder)(nil)

// maxErrorOctets bounds the text of an error in records: it may quote the client.
const maxErrorOctets = 200

// spoke notes that the client has given a command: from now on the connection
// is one in clear, until it is encrypted.
func (c *client) spoke() {
	if c.result == delivery.TLSUndecided {
		c.result = delivery.TLSClear
	}
}

// connection sorts the connection as it stands for report and mail log.
func (c *client) connection() tlsreport.Connection {
	return tlsreport.Connection{
		Direction: tlsreport.Incoming, Domain: c.domain(), Host: c.addr.String(),
		Requirement: c.requirement(), Result: c.result, TLS: c.tls, Detail: c.failure,
	}
}

// requirement is how much TLS was asked of the client. Implicit TLS leaves it no
// choice (RFC 8314 §3).
func (c *client) requirement() tlsreport.Requirement {
	switch {
	case c.requireTLS || c.handler.listener.Protocol == policy.ProtocolSMTPS:
		return tlsreport.Required
	case c.offerTLS:
		return tlsreport.Preferred
	}
	return tlsreport.NoTLS
}

// domain is what the client is counted under: the organisational domain of a
// confirmed name, by the public suffix list, or its address.
func (c *client) domain() string {
	if len(c.names) == 0 {
		return tlsreport.ClientDomain(c.addr)
	}
	name := c.names[0].String()
	if organisation, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return organisation
	}
	return name
}

func (c *client) observeMessage() {
	if observer := c.handler.deps.Observer; observer != nil {
		observer.CountMessage(c.connection())
	}
}

// observeEnd counts the connection and writes its line into the mail log (B68).
// Under a policy that requires TLS, a client that did not use it has failed to.
func (c *client) observeEnd() {
	if c.result == delivery.TLSClear && c.requireTLS {
		c.result, c.failure = delivery.TLSFailed, "the client did not use STARTTLS"
	}
	connection := c.connection()
	fields := maillog.Connection(connection, c.addr.String(), c.failure, c.handler.snapshot.Revision)
	c.handler.deps.Logger.LogAttrs(context.Background(), slog.LevelInfo, "inbound", append(fields,
		slog.String("listener", c.handler.listener.Name),
		slog.String("group", c.group),
		slog.String("policy", c.policy.Name),
		slog.Int("messages", c.messages),
		slog.Int64("duration_ms", c.handler.deps.Now().Sub(c.began).Milliseconds()),
	)...)
	if observer := c.handler.deps.Observer; observer != nil {
		observer.CountConnection(connection)
	}
}
