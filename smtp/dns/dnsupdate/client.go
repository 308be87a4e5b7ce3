package dnsupdate

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"postern/domain"
	"postern/domain/mailaddr"
)

// Key is a key that a server shares with us (RFC 8945). Its secret is never printed.
type Key struct {
	Name      mailaddr.DomainName
	Algorithm string // "hmac-sha256", "hmac-sha384" or "hmac-sha512"
	Secret    string // base64
}

// String names the key and tells nothing of its secret.
func (k Key) String() string { return k.Name.String() }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

// Resolver finds out where names lead.
type Resolver interface {
	// Canonical returns the name at the end of the CNAMEs of a name, itself where
	// there are none.
	Canonical(ctx context.Context, name mailaddr.DomainName) (mailaddr.DomainName, error)
	Addrs(ctx context.Context, host mailaddr.DomainName) ([]netip.Addr, error)
}

// Dial connects to a server by "tcp".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Config is what a [Client] is built on.
type Config struct {
	// Server is the primary server, "host:port".
	Server string
	// Zone holds the records; empty: it is looked for.
	Zone mailaddr.DomainName
	Key  Key
	// ServerOnly: a record counts as published when Server gives it out, not when
	// every server of the zone does.
	ServerOnly bool
	// Patience bounds how long to wait for that.
	Patience time.Duration
	Resolver Resolver
	Dial     Dial
	Now      func() time.Time
}

// Client changes records at one server. It is safe for concurrent use.
type Client struct{ Config }

// New returns a client. All fields of the configuration but Zone are required.
func New(c Config) *Client { return &Client{c} }

// Record is a TXT record in a zone, where it really is.
type Record struct {
	Zone, Name mailaddr.DomainName
	Text       string
}

const (
	// ttl of what we add: it changes within minutes, and nobody should remember it.
	ttl = 1
	// fudge is by how much clocks may differ, in seconds (RFC 8945 §10).
	fudge = 300
	// timeout bounds one question with its answer.
	timeout = 10 * time.Second
)

// Add adds a TXT record beside those that have the name already, at the end of its
// CNAMEs. An error is in words for an administrator.
func (c *Client) Add(ctx context.Context, name mailaddr.DomainName, text string) (Record, error) {
	canonical, err := c.Resolver.Canonical(ctx, name)
	if err != nil {
		return Record{}, &domain.Error{Kind: domain.Unavailable, Detail: "it cannot be looked up where " + name.String() + " leads: " + err.Error(), Err: err}
	}
	zone := c.Zone
	if zone == "" {
		if zone, err = c.zoneOf(ctx, canonical); err != nil {
			return Record{}, err
		}
	}
	if !canonical.Within(zone) {
		return Record{}, domain.E(domain.Unavailable, "%s is not in the zone %s: set the zone that holds it, or none", canonical, zone)
	}
	r := Record{Zone: zone, Name: canonical, Text: text}
	return r, c.change(ctx, r, (*mdns.Msg).Insert)
}

// Remove takes away that one record and leaves others of the name alone.
func (c *Client) Remove(ctx context.Context, r Record) error {
	return c.change(ctx, r, (*mdns.Msg).Remove)
}

func (c *Client) change(ctx context.Context, r Record, how func(*mdns.Msg, []mdns.RR)) error {
	m := new(mdns.Msg)
	m.SetUpdate(mdns.Fqdn(r.Zone.String()))
	how(m, []mdns.RR{&mdns.TXT{
		Hdr: mdns.RR_Header{Name: mdns.Fqdn(r.Name.String()), Rrtype: mdns.TypeTXT, Class: mdns.ClassINET, Ttl: ttl},
		Txt: []string{r.Text},
	}})
	m.SetTsig(mdns.Fqdn(c.Key.Name.String()), mdns.Fqdn(c.Key.Algorithm), fudge, c.Now().Unix())
	answer, err := c.exchange(ctx, c.Server, m)
	return c.judge(answer, err)
}

// zoneOf walks up from the name to the zone that holds it at the server.
func (c *Client) zoneOf(ctx context.Context, name mailaddr.DomainName) (mailaddr.DomainName, error) {
	for zone, ok := name, true; ok; zone, ok = zone.Parent() {
		answer, err := c.ask(ctx, c.Server, zone, mdns.TypeSOA)
		if err != nil {
			return "", err
		}
		for _, rr := range answer.Answer {
			if rr.Header().Rrtype == mdns.TypeSOA && strings.EqualFold(rr.Header().Name, mdns.Fqdn(zone.String())) {
				return zone, nil
			}
		}
	}
	return "", domain.E(domain.Unavailable, "the DNS server %s holds no zone in which %s is", c.Server, name)
}

// ask asks a server what it knows by itself.
func (c *Client) ask(ctx context.Context, server string, name mailaddr.DomainName, rrtype uint16) (*mdns.Msg, error) {
	m := new(mdns.Msg)
	m.SetQuestion(mdns.Fqdn(name.String()), rrtype)
	m.RecursionDesired = false
	answer, err := c.exchange(ctx, server, m)
	if err != nil {
		return nil, unreachable(server, err)
	}
	return answer, nil
}

// exchange sends a message over TCP, which any answer fits, and which forgers cannot
// guess their way into.
func (c *Client) exchange(ctx context.Context, server string, m *mdns.Msg) (*mdns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	socket, err := c.Dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	secrets := map[string]string{mdns.Fqdn(c.Key.Name.String()): c.Key.Secret}
	client := mdns.Client{Net: "tcp", TsigSecret: secrets, Timeout: timeout}
	answer, _, err := client.ExchangeWithConnContext(ctx, m, &mdns.Conn{Conn: socket})
	return answer, err
}

func unreachable(server string, err error) error {
	return &domain.Error{Kind: domain.Unavailable, Detail: "the DNS server " + server + " does not answer: " + err.Error(), Err: err}
}
