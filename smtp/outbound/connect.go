package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/maillog"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// session is a connection that is ready for MAIL, with what is known of its
// TLS.
type session struct {
	client   *client
	key      poolKey
	tls      delivery.SessionTLS
	messages int // handed over so far
	limit    int // of messages; 0: none
	drains   int // of the pool, before the session began
	// trusted says that the certificate is verified for the very host, which
	// credentials ask for whatever the decision does (B32).
	trusted bool
	proof   proof
}

// terms are what a connection is made under.
type terms struct {
	decision policy.Decision
	rung     rung
	hello    mailaddr.DomainName
	control  policy.DestinationControl // with its limits
	revision int64
	// published is what others than us say about the host; nil: nothing.
	published *delivery.Published
	// reported is what a rule that only reports would have made of it; nil where
	// there is none.
	reported *reported
	// recipient is what the connection is counted under.
	recipient destination
	// bounce says that the message has the null reverse-path.
	bounce bool
	// trace notes the steps of a live test; nil in a delivery.
	trace *trace
}

// keyFor names the sessions that may serve a delivery to the target.
func (t terms) keyFor(to target) poolKey {
	return poolKey{
		addr: to.addr, host: to.host, hello: t.hello.String(),
		requirement: t.decision.Key(), level: t.rung.level, scope: t.scope(), profile: to.identity(),
		dane: to.dane.identity(),
	}
}

// scope is the recipient domain where the certificate is held against it, so
// that the result is about no other.
func (t terms) scope() mailaddr.DomainName {
	checks := t.checks()
	if slices.Contains(checks, policy.CheckDomain) || slices.Contains(checks, policy.CheckHosted) {
		return t.decision.Domain
	}
	return ""
}

// checks are those of the decision, and where it has none the one that is made
// for the record: preferred_verify shows what required_verify would, and the
// other levels show whether the host is who it says (B22).
func (t terms) checks() []policy.Check {
	switch {
	case len(t.decision.Checks) > 0:
		return t.decision.Checks
	case t.rung.level == policy.TLSPreferredVerify && t.recipient != (destination{}):
		return []policy.Check{policy.CheckDomain}
	}
	return []policy.Check{policy.CheckMXHost}
}

// open walks through the stages connect, starttls and verify. The session is
// ready where there is no failure; otherwise its connection is closed, and only
// its TLS state is of interest.
func (d *Deliverer) open(ctx context.Context, to target, t terms) (*session, *failure) {
	s := &session{key: t.keyFor(to), limit: t.control.MessagesPerConnection, drains: d.pool.drained()}
	f := d.dial(ctx, s, to, t)
	t.trace.connected(to.addr, f)
	if f == nil {
		s.client.trace = t.trace
		f = d.prepare(ctx, s, to, t)
		if f != nil {
			s.client.leave(f)
		}
	}
	d.logConnection(ctx, s, to, t, f)
	return s, f
}

// dial makes the TCP connection.
func (d *Deliverer) dial(ctx context.Context, s *session, to target, t terms) *failure {
	dialing, cancel := context.WithTimeout(ctx, d.Timeouts.Connect)
	defer cancel()
	conn, err := d.Dialer.DialContext(dialing, "tcp", to.addr.String())
	if err != nil {
		f := failed(ctx, delivery.StageConnect, err)
		if f.class != stopped {
			f.class, f.detail = unreachable, reply.Quote(err.Error(), maxErrorOctets)
		}
		return f
	}
	s.client = newClient(conn, t.hello.String(), d.Timeouts)
	return nil
}

// prepare makes an open connection ready for MAIL.
func (d *Deliverer) prepare(ctx context.Context, s *session, to target, t terms) *failure {
	if f := d.meet(ctx, s, to, t); f != nil {
		return f
	}
	// RFC 8689 §4.2.1: the request may only be handed to a peer that knows it.
	if t.passesOn(s) && !s.client.offers.requireTLS {
		return &failure{stage: delivery.StageExtensions, class: requireTLSNotOffered, detail: "the peer does not offer REQUIRETLS"}
	}
	return d.authenticate(ctx, s, to, t)
}

// passesOn reports whether MAIL has to say REQUIRETLS (B56).
//
// RFC 8689 §5: mail with the null reverse-path is not to be lost for want of the
// extension. It goes without the word then, by proven TLS all the same.
func (t terms) passesOn(s *session) bool {
	return t.decision.RequireTLS && (s.client.offers.requireTLS || !t.bounce)
}

// meet greets the peer and encrypts the session: in that order by STARTTLS, in
// the other where TLS is implicit (RFC 8314 §3.3).
func (d *Deliverer) meet(ctx context.Context, s *session, to target, t terms) *failure {
	if to.endpoint.ImplicitTLS {
		if f := d.implicitTLS(ctx, s, to, t); f != nil {
			return f
		}
		return s.client.greet(ctx)
	}
	if f := s.client.greet(ctx); f != nil {
		return f
	}
	return d.secure(ctx, s, to, t)
}

// secure brings the session to the level of the rung.
func (d *Deliverer) secure(ctx context.Context, s *session, to target, t terms) *failure {
	if t.rung.level == policy.TLSNone {
		return nil
	}
	f := d.startTLS(ctx, s, to, t)
	// B22: what is refused before the 220 has not failed; without an obligation
	// the session goes on in clear.
	if f != nil && f.class == tlsNotOffered && !t.rung.level.Mandatory() {
		return nil
	}
	return f
}

// startTLS encrypts the session and judges the peer's certificate.
func (d *Deliverer) startTLS(ctx context.Context, s *session, to target, t terms) *failure {
	if !s.client.offers.startTLS {
		return &failure{stage: delivery.StageSTARTTLS, class: tlsNotOffered, detail: "the peer does not offer STARTTLS"}
	}
	state, f := s.client.startTLS(ctx, d.tlsConfig(to, t))
	if f != nil {
		return f
	}
	if f := d.judge(ctx, s, state, to, t); f != nil {
		return f
	}
	return s.client.greetAgain(ctx)
}

// implicitTLS encrypts the connection before a word is said, and judges the
// peer's certificate.
func (d *Deliverer) implicitTLS(ctx context.Context, s *session, to target, t terms) *failure {
	state, f := s.client.implicitTLS(ctx, d.tlsConfig(to, t))
	if f != nil {
		return f
	}
	return d.judge(ctx, s, state, to, t)
}

// judge notes what was agreed on and verifies the certificate.
func (d *Deliverer) judge(ctx context.Context, s *session, state *tls.ConnectionState, to target, t terms) *failure {
	s.tls.Version = tlsVersion(state)
	s.tls.Cipher = tls.CipherSuiteName(state.CipherSuite)
	return d.verify(ctx, s, state.PeerCertificates, to, t)
}

// tlsVersion returns the version as records have it: TLS1.3.
func tlsVersion(state *tls.ConnectionState) string {
	return strings.ReplaceAll(tls.VersionName(state.Version), " ", "")
}

// tlsConfig is that of one handshake. Every certificate passes it: package
// tlsverify judges afterwards.
func (d *Deliverer) tlsConfig(to target, t terms) *tls.Config {
	return &tls.Config{
		ServerName:                  to.serverName(),
		InsecureSkipVerify:          true,
		MinVersion:                  uint16(t.decision.MinVersion),
		CurvePreferences:            t.rung.curves(),
		GetClientCertificate:        d.clientCertificate(to),
		DynamicRecordSizingDisabled: true, // nobody waits for the first octets of a message
	}
}

// serverName is the name that a handshake asks for, as an A-label: the host (RFC
// 8461 §7.1), or the name that its TLSA records are published for (RFC 7672 §8.1).
// None is sent for an address.
func (to target) serverName() string {
	if to.dane.Base != "" {
		return to.dane.Base.String()
	}
	return to.host.String()
}

// clientCertificate returns what we show where the peer asks who we are: to a
// server profile only what that says (B32).
func (d *Deliverer) clientCertificate(to target) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if to.profile != nil && !to.profile.ClientCertificate {
		return nil
	}
	return d.ClientCertificate
}

// verify is the stage that judges the certificate. The result is recorded in
// any case; it ends the session only where the decision has a check (B22).
func (d *Deliverer) verify(ctx context.Context, s *session, chain []*x509.Certificate, to target, t terms) *failure {
	var result tlsverify.Result
	for _, check := range t.checks() {
		if result = d.check(ctx, check, chain, to, t.decision.Domain); !result.Verified {
			break
		}
	}
	s.tls.Verified, s.tls.Verification = result.Verified, result.String()
	s.proof = proofOf(chain, result)
	if to.profile != nil && to.profile.HasCredentials() {
		s.trusted = d.check(ctx, policy.CheckMXHost, chain, to, t.decision.Domain).Verified
	}
	t.trace.verified(result)
	if result.Verified || len(t.decision.Checks) == 0 {
		return nil
	}
	return &failure{stage: delivery.StageVerify, class: unverified, detail: "certificate verification: " + result.String()}
}

// check holds the certificate against the names of one check (B23).
func (d *Deliverer) check(ctx context.Context, check policy.Check, chain []*x509.Certificate, to target, recipient mailaddr.DomainName) tlsverify.Result {
	var names tlsverify.Names
	switch check {
	case policy.CheckDomain:
		names = tlsverify.ForDomain(recipient, d.confirmedNames(ctx, chain, to.addr.Addr())...)
	case policy.CheckHosted:
		names = tlsverify.ForHosted(recipient, to.host, to.hop.addr)
	case policy.CheckMXHost:
		names = tlsverify.ForHost(to.host, to.hop.addr)
	case policy.CheckDANE:
		return to.dane.check(chain, d.Now())
	default:
		// Fail closed: what cannot be checked is not verified.
		return tlsverify.Refuse(tlsverify.Unsupported, "no check "+string(check)+" is known here")
	}
	return tlsverify.Verify(chain, d.Trust(), names, d.Now())
}

// confirmedNames looks up the PTR names of the peer, where they count at all.
// Without an answer there are none.
func (d *Deliverer) confirmedNames(ctx context.Context, chain []*x509.Certificate, addr netip.Addr) []mailaddr.DomainName {
	if !tlsverify.LacksAlternativeNames(chain) {
		return nil
	}
	names, err := d.Resolver.ConfirmedNames(ctx, addr)
	if err != nil {
		return nil
	}
	return names
}

// logConnection writes the connection's line into the mail log (B68).
func (d *Deliverer) logConnection(ctx context.Context, s *session, to target, t terms, f *failure) {
	c := connectionOf(to.hop.String(), t, s.tls, f)
	fields := maillog.Connection(c, to.addr.String(), c.Detail, t.revision)
	d.Logger.LogAttrs(ctx, slog.LevelInfo, "outbound", append(fields,
		slog.String("host", c.Host),
		slog.String("level", t.rung.level.String()),
		slog.Bool("live_test", t.trace != nil),
	)...)
}
