package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// Route sends the mail of a recipient domain to given next hops instead of its
// MX hosts (B31).
type Route struct {
	Pattern  mailaddr.HostPattern `json:"pattern"` // exact, .suffix or ALL
	NextHops []NextHop            `json:"next_hops"`
	// PolicyDomain says that the next hops serve the recipient domain itself,
	// so that its MTA-STS and DANE policies still apply.
	PolicyDomain bool   `json:"policy_domain,omitempty"`
	Description  string `json:"description,omitempty"`
}

// NextHop is one place to deliver to: exactly one of Host, ServerProfile, UseDNS
// and Discard says which. Lower priorities come first, equal ones take turns per
// connection.
type NextHop struct {
	// Host is a host name or an IP address.
	Host string `json:"host,omitempty"`
	// Port goes with Host; 0 is 25.
	Port int `json:"port,omitempty"`
	// ServerProfile names a server profile of type smtp (B32).
	ServerProfile string `json:"server_profile,omitempty"`
	// UseDNS delivers to the MX hosts of the recipient domain (ESA: USEDNS).
	UseDNS bool `json:"use_dns,omitempty"`
	// Discard throws the mail away as if it were delivered (ESA: /dev/null).
	Discard  bool `json:"discard,omitempty"`
	Priority int  `json:"priority"`
}

// DefaultSMTPPort is where next hops listen unless told otherwise.
const DefaultSMTPPort = 25

// Addr returns the host as an IP address, if it is one.
func (h NextHop) Addr() (netip.Addr, bool) { return parseHostAddr(h.Host) }

// parseHostAddr reads an IP address, in brackets or not.
func parseHostAddr(host string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return addr.Unmap(), err == nil
}

// PortOrDefault returns the port to connect to.
func (h NextHop) PortOrDefault() int {
	if h.Port == 0 {
		return DefaultSMTPPort
	}
	return h.Port
}

// String names the next hop: "host:port", the profile, "USEDNS" or "/dev/null".
func (h NextHop) String() string {
	switch {
	case h.ServerProfile != "":
		return "server profile " + h.ServerProfile
	case h.UseDNS:
		return "USEDNS"
	case h.Discard:
		return "/dev/null"
	}
	return h.Host + ":" + strconv.Itoa(h.PortOrDefault())
}

// standsAlone reports whether nothing may share the next hop's priority: mail
// cannot take turns between a host and being thrown away.
func (h NextHop) standsAlone() bool { return h.UseDNS || h.Discard }

// Validate reports every broken rule of the route by itself.
func (r Route) Validate() (f domain.Faults) {
	checkCatchAll(&f, r.Pattern, "ALL") // B31
	if len(r.NextHops) == 0 {
		f.Add("/next_hops", "must hold at least one next hop; delete the route to deliver by MX")
	}
	if len(r.NextHops) > 50 {
		f.Add("/next_hops", "may hold at most 50 next hops")
	}
	for i, h := range r.NextHops {
		f.Merge(nextHopPointer(i), h.validate())
	}
	f.Merge("", r.validatePriorities())
	checkText(&f, "/description", r.Description)
	return f
}

func nextHopPointer(i int) string { return fmt.Sprintf("/next_hops/%d", i) }

func (h NextHop) validate() (f domain.Faults) {
	if h.kinds() != 1 {
		f.Add("", "must have exactly one of host, server_profile, use_dns and discard")
	}
	if _, isAddr := h.Addr(); h.Host != "" && !isAddr {
		if _, err := mailaddr.ParseDomainName(h.Host); err != nil {
			f.Add("/host", "%q is neither a host name nor an IP address", h.Host)
		}
	}
	if h.Port != 0 && h.Host == "" {
		f.Add("/port", "goes with host only")
	}
	checkRange(&f, "/port", h.Port, 0, 65535)
	checkRange(&f, "/priority", h.Priority, 0, 65535)
	return f
}

// kinds counts how many ways the next hop says where mail goes.
func (h NextHop) kinds() (n int) {
	for _, said := range []bool{h.Host != "", h.ServerProfile != "", h.UseDNS, h.Discard} {
		if said {
			n++
		}
	}
	return n
}

func (r Route) validatePriorities() (f domain.Faults) {
	at := map[int]int{}
	for _, h := range r.NextHops {
		at[h.Priority]++
	}
	for i, h := range r.NextHops {
		if h.standsAlone() && at[h.Priority] > 1 {
			f.Add(nextHopPointer(i)+"/priority", "%s must be alone at its priority", h)
		}
	}
	return f
}

// Warnings names the next hops that are not what they seem beside others: what
// is discarded goes no further.
func (r Route) Warnings() (f domain.Faults) {
	for i, h := range r.NextHops {
		for j, other := range r.NextHops {
			if !h.Discard || i == j {
				continue
			}
			if other.Priority > h.Priority {
				f.Add(nextHopPointer(j), "is never used: mail is discarded at priority %d", h.Priority)
			} else {
				f.Add(nextHopPointer(i)+"/discard", "mail is thrown away when %s is out of reach", other)
			}
		}
	}
	return f
}
