package dnsupdate

import (
	"context"
	"net"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"postern/domain"
	"postern/domain/mailaddr"
)

const (
	// Between two looks at a server the pause doubles from the first to the last.
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
	// maxServers bounds how many servers of a zone are looked at.
	maxServers = 20
)

// Wait returns when the servers of their zones give the records out, or with an error
// that names the server that does not.
func (c *Client) Wait(ctx context.Context, records []Record) error {
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	servers := map[mailaddr.DomainName][]string{}
	for _, r := range records {
		if servers[r.Zone] == nil {
			found, err := c.serversOf(ctx, r.Zone)
			if err != nil {
				return err
			}
			servers[r.Zone] = found
		}
		for _, server := range servers[r.Zone] {
			if err := c.waitFor(ctx, server, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// serversOf returns the addresses of those whom authorities may ask about a zone.
func (c *Client) serversOf(ctx context.Context, zone mailaddr.DomainName) ([]string, error) {
	if c.ServerOnly {
		return []string{c.Server}, nil
	}
	answer, err := c.ask(ctx, c.Server, zone, mdns.TypeNS)
	if err != nil {
		return nil, err
	}
	var servers []string
	for _, rr := range answer.Answer {
		ns, ok := rr.(*mdns.NS)
		if !ok {
			continue
		}
		found, err := c.addressesOf(ctx, ns.Ns)
		if err != nil {
			return nil, err
		}
		servers = append(servers, found...)
	}
	if len(servers) == 0 || len(servers) > maxServers {
		return nil, domain.E(domain.Unavailable, "the zone %s has %d servers to look at: have only the configured one checked", zone, len(servers))
	}
	return servers, nil
}

// addressesOf returns where one server of a zone is reached. Of a server with both
// families one address suffices: it is the same server.
func (c *Client) addressesOf(ctx context.Context, target string) ([]string, error) {
	host, err := mailaddr.ParseDomainName(target)
	if err != nil {
		return nil, domain.Wrap(err, "read the name of a server of the zone")
	}
	addrs, err := c.Resolver.Addrs(ctx, host)
	if err != nil || len(addrs) == 0 {
		return nil, domain.E(domain.Unavailable, "the address of %s, a server of the zone, cannot be looked up", host)
	}
	for _, a := range addrs {
		if a.Is4() {
			return []string{net.JoinHostPort(a.String(), "53")}, nil
		}
	}
	return []string{net.JoinHostPort(addrs[0].String(), "53")}, nil
}

// waitFor looks at a server until it gives the record out.
func (c *Client) waitFor(ctx context.Context, server string, r Record) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		answer, err := c.ask(ctx, server, r.Name, mdns.TypeTXT)
		if err == nil && holds(answer, r) {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return late(ctx, server, r, err)
		}
	}
}

func late(ctx context.Context, server string, r Record, err error) error {
	if err != nil && domain.KindOf(err) == domain.Unavailable {
		return domain.E(domain.Unavailable, "%s is not published in time: %s", r.Name, err)
	}
	return &domain.Error{
		Kind: domain.Unavailable, Err: ctx.Err(),
		Detail: r.Name.String() + " is not published in time: the DNS server " + server + " does not give it out",
	}
}

func holds(answer *mdns.Msg, r Record) bool {
	for _, rr := range answer.Answer {
		txt, ok := rr.(*mdns.TXT)
		if ok && strings.EqualFold(txt.Hdr.Name, mdns.Fqdn(r.Name.String())) && strings.Join(txt.Txt, "") == r.Text {
			return true
		}
	}
	return false
}
