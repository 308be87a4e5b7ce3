package inbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
	history "postern/domain/session"
	"postern/smtp/reply"
)

// nameTimeout bounds how long a client waits for the look-up of its names.
const nameTimeout = 5 * time.Second

// client is one connection with what was decided about it at its beginning.
type client struct {
	handler *Handler
	wire    *wire
	addr    netip.Addr
	proxy   netip.Addr            // that named the client; none where it came by itself
	names   []mailaddr.DomainName // forward-confirmed (B13)
	// namesErr is why there may be more names.
	namesErr error
	// stricter is the sender group that the client may escape by that.
	stricter *probe.Stricter
	group    string
	policy   policy.MailFlowPolicy
	// offerTLS and requireTLS are two questions: a client on the exemption list
	// under a policy that requires TLS gets neither (B26).
	offerTLS   bool
	requireTLS bool
	// refusal answers every command but QUIT once the client's certificate was
	// refused (B17).
	refusal *reply.Reply

	began    time.Time
	messages int
	tls      delivery.SessionTLS
	result   delivery.TLSResult // for log and report
	failure  string             // why TLS failed
	subject  string             // of the verified certificate; safe in a header field
	record   history.Record     // what the history will say beside the above
	releases []func()
	ended    sync.Once
}

// Handle serves one connection. It returns false, without having touched the
// connection, where the handler was retired meanwhile.
func (h *Handler) Handle(socket net.Conn) bool {
	c := &client{handler: h, addr: addrOf(socket), began: h.deps.Now(), result: delivery.TLSUndecided}
	c.wire = newWire(socket, nameTimeout+time.Minute, time.Hour)
	if !h.enter(c) {
		return false
	}
	if err := c.admit(); err != nil {
		_ = c.wire.close() // it has heard why
		c.done()
	}
	return true
}

// addrOf returns the client's address, IPv4 in its own form.
func addrOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// errNotAdmitted says that the connection was answered and is over.
var errNotAdmitted = errors.New("not admitted")

// admit decides what the client may do and begins its first leg.
func (c *client) admit() error {
	h := c.handler
	leave, refusal := h.deps.Limits.enter(h.listener)
	if refusal != nil {
		return c.turnAway(*refusal, "limit")
	}
	c.releases = append(c.releases, leave)
	if err := c.readProxyHeader(); err != nil {
		return err
	}
	c.releases = append(c.releases, h.deps.Limits.identify(h.listener, c.addr))
	c.lookUpNames()
	if !c.decide() || c.policy.Action == policy.ActionTCPRefuse {
		c.log("refused", "why", string(policy.ActionTCPRefuse))
		c.record.Refuse(string(policy.ActionTCPRefuse), "")
		h.deps.Metrics.connection(h.listener.Name, string(policy.ActionTCPRefuse))
		return errNotAdmitted // B14: closed without a word
	}
	if c.stricter != nil {
		return c.turnAway(reply.NamesUnknown(), "names")
	}
	if c.policy.Action == policy.ActionReject {
		return c.turnAway(reply.AccessDenied(), "reject")
	}
	if r := h.deps.Limits.checkPerAddress(h.listener, c.addr, c.policy.ConnectionsPerAddress); r != nil {
		return c.turnAway(*r, "limit")
	}
	if h.deps.Queue.Accepting() != nil {
		return c.turnAway(reply.SpoolClosed(), "spool") // B77
	}
	return c.begin()
}

// turnAway says why and ends the connection.
func (c *client) turnAway(r reply.Reply, why string) error {
	c.log("refused", "why", why, "reply", r.String())
	c.record.Refuse(why, r.String())
	c.handler.deps.Metrics.connection(c.handler.listener.Name, why)
	if c.handler.listener.Protocol == policy.ProtocolSMTPS && c.wire.tls == nil {
		return errNotAdmitted // who expects TLS could not read it
	}
	_ = c.wire.hangUp(r) // it is over either way
	return errNotAdmitted
}

// begin starts the first leg; on a listener with implicit TLS after the
// handshake (RFC 8314).
func (c *client) begin() error {
	h := c.handler
	c.wire.idle = time.Duration(c.policy.CommandTimeoutSeconds) * time.Second
	c.wire.endsAt = time.Now().Add(time.Duration(c.policy.SessionTimeoutSeconds) * time.Second)
	if h.listener.Protocol == policy.ProtocolSMTPS {
		config := h.tlsConfig(c.policy)
		if config == nil {
			c.result, c.failure = delivery.TLSFailed, "TLS is not available"
			c.log("refused", "why", c.failure)
			return errNotAdmitted
		}
		if err := c.wire.handshake(config); err != nil {
			c.handshakeFailed(err)
			if errors.Is(err, io.EOF) {
				c.result = delivery.TLSUndecided // it said nothing, as a port check does
			}
			return err
		}
		if c.encrypted(c.wire); c.refusal != nil {
			return c.turnAway(*c.refusal, "certificate")
		}
	}
	h.deps.Metrics.connection(h.listener.Name, "accepted")
	h.serve(&leg{wire: c.wire, client: c})
	return nil
}

// lookUpNames finds the client's confirmed names where an entry needs them.
func (c *client) lookUpNames() {
	names, err := c.handler.confirmedNames(c.addr)
	if err != nil {
		c.log("names", "error", err.Error())
	}
	c.names, c.namesErr = names, err
	c.record.NamesKnown = err == nil && c.handler.needsNames()
}

// needsNames reports whether any entry that a client is held against is a host
// name.
func (h *Handler) needsNames() bool { return h.access.NeedsNames() || h.snapshot.ExemptsNames() }

func (h *Handler) confirmedNames(addr netip.Addr) ([]mailaddr.DomainName, error) {
	if !h.needsNames() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), nameTimeout)
	defer cancel()
	return h.deps.Names.ConfirmedNames(ctx, addr)
}

// decide applies the verdict to the client.
func (c *client) decide() bool {
	v, ok := c.handler.judge(c.addr, c.names)
	c.policy, c.offerTLS, c.requireTLS = v.policy, v.offerTLS, v.requireTLS
	if ok {
		c.group = v.groups[len(v.groups)-1].Group
		c.stricter = c.handler.mayEscape(v, c.namesErr)
	}
	return ok
}

// encrypted notes the TLS state after a handshake, and whether the client's
// certificate lets it go on.
func (c *client) encrypted(w *wire) {
	c.result = delivery.TLSSuccess
	c.tls = delivery.SessionTLS{Version: strings.ReplaceAll(tls.VersionName(w.tls.Version), " ", ""), Cipher: tls.CipherSuiteName(w.tls.CipherSuite)}
	result := "success"
	if c.verify(w.tls.PeerCertificates); c.refusal != nil {
		result = "certificate_refused"
		c.result, c.failure = delivery.TLSFailed, "client certificate: "+c.tls.Verification
	}
	c.handler.deps.Metrics.handshake(c.handler.listener.Name, c.tls.Version, result)
}

// handshakeFailed notes a handshake that came to nothing; the connection ends.
func (c *client) handshakeFailed(err error) {
	c.result, c.failure = delivery.TLSFailed, reply.Quote(err.Error(), maxErrorOctets)
	result := "failure"
	if errors.Is(err, errInjection) {
		result = "injection" // B16
	}
	c.handler.deps.Metrics.handshake(c.handler.listener.Name, "", result)
	c.log("tls", "result", result, "error", err.Error())
}

// done counts the connection out, once, and writes its line into the mail log
// (B68).
func (c *client) done() {
	c.ended.Do(func() {
		for _, release := range c.releases {
			release()
		}
		c.observeEnd()
		c.recordEnd()
		c.handler.leave(c)
	})
}

// log writes a line about the connection with the fixed fields of the mail log.
func (c *client) log(event string, args ...any) {
	c.handler.deps.Logger.Info("inbound", append([]any{
		slog.String("event", event),
		slog.String("listener", c.handler.listener.Name),
		slog.String("client", c.addr.String()),
		slog.String("proxy", c.proxyText()),
		slog.String("group", c.group),
		slog.String("policy", c.policy.Name),
		slog.String("tls", string(c.result)),
		slog.String("tls_version", c.tls.Version),
		slog.String("cipher", c.tls.Cipher),
		slog.String("verification", c.tls.Verification),
		slog.Int64("revision", c.handler.snapshot.Revision),
	}, args...)...)
}
