package acme

import (
	"context"
	"errors"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns/dnsupdate"
)

// DNS is what records are published with by dynamic update.
type DNS struct {
	Resolver dnsupdate.Resolver
	Dial     dnsupdate.Dial
}

// publisher makes the TXT records of dns-01 known (RFC 8555 §8.4).
type publisher interface {
	// publish adds a record beside others of its name; withdraw takes it away.
	publish(ctx context.Context, r record) (withdraw func(context.Context) error, err error)
	// wait returns when all that was published is given out.
	wait(ctx context.Context) error
}

// record is the answer to a dns-01 challenge.
type record struct {
	domain string // that is proven, without "*."
	text   string
}

// label stands before the name that is proven (RFC 8555 §8.4).
const label = "_acme-challenge."

func (r record) name() string { return label + r.domain }

// publisher returns the one that the settings name.
func (c *Client) publisher(ctx context.Context, s policy.ACMESettings, tell tell) (publisher, error) {
	if s.DNSHook.Path != "" {
		return &hook{settings: s.DNSHook, tell: tell}, nil
	}
	u := s.DNSUpdate
	secret, err := c.Accounts.Secrets.Get(ctx, u.KeySecretID)
	if err != nil {
		return nil, domain.Wrap(err, "open the TSIG key")
	}
	return &zone{tell: tell, client: dnsupdate.New(dnsupdate.Config{
		Server: u.Server, Zone: u.Zone, ServerOnly: u.ServerOnly, Patience: u.Patience(),
		Key:      dnsupdate.Key{Name: u.KeyName, Algorithm: u.MAC(), Secret: secret},
		Resolver: c.DNS.Resolver, Dial: c.DNS.Dial, Now: time.Now,
	})}, nil
}

// zone publishes by dynamic update.
type zone struct {
	client    *dnsupdate.Client
	tell      tell
	published []dnsupdate.Record
}

var _, _ publisher = (*zone)(nil), (*hook)(nil)

func (z *zone) publish(ctx context.Context, r record) (func(context.Context) error, error) {
	name, err := mailaddr.ParseDomainName(r.name())
	if err != nil {
		return nil, err
	}
	added, err := z.client.Add(ctx, name, r.text)
	if err != nil {
		return nil, err
	}
	z.published = append(z.published, added)
	z.tell("A TXT record for %s is in the zone %s.", added.Name, added.Zone)
	return func(ctx context.Context) error { return z.client.Remove(ctx, added) }, nil
}

func (z *zone) wait(ctx context.Context) error {
	if err := z.client.Wait(ctx, z.published); err != nil {
		return err
	}
	z.tell("The servers give out what was put there.")
	return nil
}

// cleanUpTime bounds what is done after the end of an order, whatever ended it.
const cleanUpTime = 30 * time.Second

// withdraw takes away what was published, also after the order was cancelled.
func (p *prover) withdraw() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), cleanUpTime)
	defer cancel()
	for _, w := range p.withdrawals {
		if err := w(ctx); err != nil && !isGone(err) {
			p.tell("An answer could not be taken away: %s.", strings.TrimSuffix(err.Error(), "."))
		}
	}
}

func trimWildcard(name string) string { return strings.TrimPrefix(name, "*.") }

func isGone(err error) bool {
	e, ok := errors.AsType[*domain.Error](err)
	return ok && e.Kind == domain.NotFound
}
