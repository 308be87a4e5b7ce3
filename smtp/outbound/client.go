package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"postern/domain/delivery"
	"postern/smtp/reply"
)

// client speaks SMTP on one connection: greeting, EHLO, STARTTLS, transactions.
// Its methods do one step each and return the failure that ended it; they never
// decide what follows.
type client struct {
	*wire
	timeouts Timeouts
	hello    string // our name in EHLO
	offers   extensions
	// unclean says that a transaction was left open, so that RSET must come
	// before the next one.
	unclean bool
}

func newClient(conn net.Conn, hello string, timeouts Timeouts) *client {
	return &client{wire: newWire(conn, timeouts.DataBlock), timeouts: timeouts, hello: hello}
}

// greet waits for the greeting and says who we are.
func (c *client) greet(ctx context.Context) *failure {
	c.guard(ctx, 0)
	defer c.unguard()
	r, err := c.reply(c.timeouts.Greeting)
	switch {
	case isAlert(err): // Of implicit TLS: see greetAgain.
		return handshakeFailure(ctx, err)
	case err != nil:
		return failed(ctx, delivery.StageConnect, err)
	case r.Code != 220:
		return refusedBy(delivery.StageConnect, r)
	}
	return c.introduce(ctx, delivery.StageConnect)
}

// introduce sends EHLO, or HELO to a peer that does not know it, and notes what
// the peer offers.
func (c *client) introduce(ctx context.Context, stage delivery.Stage) *failure {
	c.offers = extensions{}
	r, err := c.ask("EHLO " + c.hello)
	if err == nil && r.Positive() {
		c.offers = parseExtensions(r)
		return nil
	}
	// RFC 5321 §3.2: a peer that knows no EHLO gets HELO. 421 closes.
	if err == nil && r.Permanent() {
		r, err = c.ask("HELO " + c.hello)
	}
	switch {
	case err != nil:
		return failed(ctx, stage, err)
	case !r.Positive():
		return refusedBy(stage, r)
	}
	return nil
}

// ask sends one command and waits for its reply.
func (c *client) ask(command string) (reply.Reply, error) {
	c.line(command)
	if err := c.flush(); err != nil {
		return reply.Reply{}, err
	}
	return c.reply(c.timeouts.Hello)
}

// startTLS sends STARTTLS and shakes hands. A refusal before the 220 is a
// failure of class tlsNotOffered, and leaves the session usable in clear (B22)
// unless the peer closes it; after any other failure the connection is of no
// use. The caller verifies the peer's certificate.
func (c *client) startTLS(ctx context.Context, config *tls.Config) (*tls.ConnectionState, *failure) {
	c.guard(ctx, 0)
	defer c.unguard()
	r, err := c.ask("STARTTLS")
	switch {
	case err != nil:
		return nil, failed(ctx, delivery.StageSTARTTLS, err)
	case r.Code == 421:
		return nil, refusedBy(delivery.StageSTARTTLS, r)
	case r.Code != 220:
		return nil, &failure{stage: delivery.StageSTARTTLS, class: tlsNotOffered, reply: r, detail: r.String()}
	}
	// B30: clear text behind the 220 was meant to be taken for replies inside
	// TLS.
	if c.in.Buffered() > 0 {
		return nil, injection()
	}
	return c.handshake(ctx, config)
}

// implicitTLS shakes hands before the greeting (RFC 8314 §3.3).
func (c *client) implicitTLS(ctx context.Context, config *tls.Config) (*tls.ConnectionState, *failure) {
	c.guard(ctx, 0)
	defer c.unguard()
	return c.handshake(ctx, config)
}

// handshake puts TLS on the connection.
//
// B30: done here, with a deadline of its own: left to the first read or write, a
// failure would look like one of EHLO.
func (c *client) handshake(ctx context.Context, config *tls.Config) (*tls.ConnectionState, *failure) {
	peer := &handshakePeer{Conn: c.conn}
	secured := tls.Client(peer, config)
	c.arm(c.timeouts.Handshake)
	if err := secured.HandshakeContext(ctx); err != nil {
		f := handshakeFailure(ctx, err)
		// B30: clear text that came later than the 220 was injected all the same.
		// Without STARTTLS there was no 220: a server for clear text is no attack.
		if c.replies > 0 && f.class != stopped && peer.clear {
			f = injection()
		}
		c.trace.shaken(nil, f)
		return nil, f
	}
	c.attach(secured)
	state := secured.ConnectionState()
	c.trace.shaken(&state, nil)
	return &state, nil
}

func handshakeFailure(ctx context.Context, err error) *failure {
	f := failed(ctx, delivery.StageSTARTTLS, err)
	switch f.class {
	case lost:
		f.class, f.detail = handshakeFailed, "TLS handshake: "+reply.Quote(err.Error(), maxErrorOctets)
	case timedOut:
		f.class, f.detail = handshakeTimedOut, "TLS handshake: "+f.detail
	}
	return f
}

// injection is clear text where the handshake should begin (B30).
func injection() *failure {
	return &failure{stage: delivery.StageSTARTTLS, class: injected, detail: "the peer sent clear text behind its 220 reply to STARTTLS"}
}

// handshakePeer watches how the peer's side of a handshake begins.
type handshakePeer struct {
	net.Conn
	heard bool
	// clear says that the first octet begins no TLS record that a server may
	// begin with.
	clear bool
}

// The types of record that a server's side begins with: an alert, or a
// ServerHello (RFC 8446 §5.1).
const (
	recordAlert     = 0x15
	recordHandshake = 0x16
)

// Read reads from the peer.
func (p *handshakePeer) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 && !p.heard {
		p.heard, p.clear = true, b[0] != recordAlert && b[0] != recordHandshake
	}
	return n, err
}

// greetAgain sends the second EHLO: what was offered in clear is void (RFC 3207
// §4.2).
func (c *client) greetAgain(ctx context.Context) *failure {
	c.guard(ctx, 0)
	defer c.unguard()
	r, err := c.ask("EHLO " + c.hello)
	switch {
	case isAlert(err):
		// In TLS 1.3 the peer may refuse the handshake after our end of it.
		return handshakeFailure(ctx, err)
	case err != nil:
		return failed(ctx, delivery.StageSTARTTLS, err)
	case !r.Positive():
		return refusedBy(delivery.StageSTARTTLS, r)
	}
	c.offers = parseExtensions(r)
	return nil
}

// isAlert recognises the TLS alert of a peer, which crypto/tls returns in this
// form.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// quit says goodbye and closes. It waits for the answer (RFC 5321 §4.1.1.10),
// but not long: nothing depends on it.
func (c *client) quit() {
	c.block = c.timeouts.Quit
	c.line("QUIT")
	if c.flush() == nil {
		_, _ = c.reply(c.timeouts.Quit)
	}
	_ = c.conn.Close()
}

// leave closes the connection after a failure: with a word where the peer can
// still understand one.
func (c *client) leave(f *failure) {
	switch f.class {
	case turnedAway, tlsNotOffered, unverified, requireTLSNotOffered, authWithheld, authRefused:
		if f.reply.Code != 421 {
			c.quit()
			return
		}
	}
	c.abandon()
}

// abandon closes a connection that is of no use any more, without a word.
func (c *client) abandon() {
	raw := c.conn
	if secured, ok := raw.(*tls.Conn); ok {
		raw = secured.NetConn() // No close_notify, which may block.
	}
	_ = raw.Close()
}
