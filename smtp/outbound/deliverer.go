package outbound

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/smtp/dns"
	stscache "postern/smtp/mtasts"
	"postern/smtp/tlsverify"
)

// Resolver answers what DNS knows of destinations and peers.
type Resolver interface {
	LookupMX(context.Context, mailaddr.DomainName) (dns.MXResult, error)
	LookupAddrs(context.Context, mailaddr.DomainName) (dns.AddrResult, error)
	// ConfirmedNames returns the PTR names of an address that lead back to it.
	ConfirmedNames(context.Context, netip.Addr) ([]mailaddr.DomainName, error)
}

var _ Resolver = (*dns.Resolver)(nil)

// Policies finds out what recipient domains demand by MTA-STS (B60).
type Policies interface {
	Look(context.Context, mailaddr.DomainName) mtasts.Finding
}

var _ Policies = (*stscache.Cache)(nil)

// Dialer makes TCP connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

var _ Dialer = (*net.Dialer)(nil)

// Secrets returns the sealed values that configuration refers to.
type Secrets interface {
	Get(ctx context.Context, id string) (string, error)
}

// Dependencies is what deliveries are made with.
type Dependencies struct {
	// Snapshot returns the newest configuration: every attempt takes it anew, so
	// that repairing a policy heals deferred mail.
	Snapshot func() *config.Snapshot
	Resolver Resolver
	DANE     DANE // nil: TLSA records are not looked up
	Dialer   Dialer
	// Policies has the MTA-STS policies of recipient domains; nil: nobody asks for
	// them.
	Policies Policies
	// Trust returns the trust store, which may change.
	Trust func() *tlsverify.Trust
	// ClientCertificate returns the certificate that we show to peers that ask
	// for one; nil shows none.
	ClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// LocalAddrs returns the addresses of this machine, by which an MX record
	// may point back at us (B33).
	LocalAddrs func() []netip.Addr
	// Secrets has the passwords of server profiles.
	Secrets  Secrets
	OneHour  *OneHourList
	Observer Observer // nil: nobody is told
	Reports  Reports  // nil: nobody counts what rules that only report say
	// ReportSessions counts for reports to other domains; nil: there are none.
	ReportSessions ReportSessions
	Logger         *slog.Logger
	Now            func() time.Time
	Timeouts       Timeouts   // see DefaultTimeouts
	Pool           PoolLimits // see DefaultPoolLimits
}

// Deliverer hands messages to their next hops. It is safe for concurrent use.
type Deliverer struct {
	Dependencies
	pool    *pool
	resting *restingList
	limits  *addressLimits
}

// New returns a deliverer without connections.
func New(deps Dependencies) *Deliverer {
	return &Deliverer{
		Dependencies: deps, pool: newPool(deps.Pool), resting: newRestingList(deps.Now),
		limits: newAddressLimits(deps.Now),
	}
}

// IdleConnections returns how many connections are kept for use.
func (d *Deliverer) IdleConnections() int { return d.pool.size() }

// CloseIdle ends the idle connections, and those in use after their message, so
// that what was agreed on them under former trust anchors or with a former
// certificate of ours serves no longer.
func (d *Deliverer) CloseIdle() { d.pool.drain() }

// Close ends the idle connections and keeps none from now on. Attempts that are
// under way go on to their end.
func (d *Deliverer) Close() { d.pool.close() }
