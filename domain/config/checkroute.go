package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// checkRoute holds the next hops of a route against the rest of the
// configuration: profiles that they name exist, and none leads back to us.
func checkRoute(next *Snapshot, r policy.Route) (f domain.Faults) {
	for i, h := range r.NextHops {
		at := fmt.Sprintf("/next_hops/%d", i)
		switch {
		case h.ServerProfile != "":
			checkReference(&f, next, at+"/server_profile", h.ServerProfile, policy.ServerSMTP)
		case h.Host != "":
			host, _ := mailaddr.ParseDomainName(h.Host)
			addr, _ := h.Addr()
			checkCycle(&f, next, at, host, addr, h.PortOrDefault())
		}
	}
	return f
}

// checkReference refuses to name a server profile that does not exist, or is not
// of the type that is needed.
func checkReference(f *domain.Faults, next *Snapshot, at, name string, needed policy.ServerType) {
	p, ok := next.profiles[name]
	switch {
	case !ok:
		f.Add(at, "there is no server profile %q: make it first", name)
	case p.Type != needed:
		f.Add(at, "server profile %q is of type %s: name one of type %s", name, p.Type, needed)
	}
}

// checkServerProfile holds the endpoints of a profile against the rest of the
// configuration, and what uses it against what it has become.
func checkServerProfile(next *Snapshot, p policy.ServerProfile) (f domain.Faults) {
	for _, user := range usersOfProfile(next, p.Name) {
		if user.needs != p.Type {
			f.Add("/type", "must stay %s: the profile is used by %s", user.needs, user.name)
		}
	}
	if p.Type != policy.ServerSMTP {
		return f
	}
	for i, e := range p.Endpoints() {
		checkCycle(&f, next, fmt.Sprintf("/uris/%d", i), e.Host, e.Addr, e.Port)
	}
	return f
}

// checkCycle refuses a next hop that is one of our own listeners: mail would
// come round until the loop is noticed by its Received headers (B19).
func checkCycle(f *domain.Faults, next *Snapshot, at string, host mailaddr.DomainName, addr netip.Addr, port int) {
	for _, l := range next.Listeners() {
		if l.Port != port {
			continue
		}
		own, _ := netip.ParseAddr(l.Address) // invalid: all addresses of the machine
		all := l.Address == "" || own.IsUnspecified()
		sameHost := host != "" && host == l.HostName
		sameAddr := addr.IsValid() && (own.Unmap() == addr || all && addr.IsLoopback())
		if sameHost || sameAddr {
			f.Add(at, "leads back to listener %q of this gateway: name the server behind it", l.Name)
		}
	}
}

// profileUser is what refers to a server profile, by its name for people.
type profileUser struct {
	name  string
	needs policy.ServerType
}

// checkProfileUnused refuses to delete a profile that something refers to.
func checkProfileUnused(next *Snapshot, name string) error {
	users := usersOfProfile(next, name)
	if len(users) == 0 {
		return nil
	}
	const shown = 5
	more := ""
	if len(users) > shown {
		more = fmt.Sprintf(" and %d more", len(users)-shown)
		users = users[:shown]
	}
	var names []string
	for _, user := range users {
		names = append(names, user.name)
	}
	return domain.E(domain.Conflict, "server profile %q is used by %s%s: change what uses it first", name, strings.Join(names, ", "), more)
}

// usersOfProfile returns what refers to a profile: the inspection settings, then
// routes in order.
func usersOfProfile(next *Snapshot, name string) []profileUser {
	var users []profileUser
	for r := range next.routes.All() {
		if slices.ContainsFunc(r.NextHops, func(h policy.NextHop) bool { return h.ServerProfile == name }) {
			users = append(users, profileUser{fmt.Sprintf("route %q", r.Pattern), policy.ServerSMTP})
		}
	}
	slices.SortFunc(users, func(a, b profileUser) int { return strings.Compare(a.name, b.name) })
	if next.Settings.Inspection.Profile == name {
		users = slices.Insert(users, 0, profileUser{"the inspection settings", policy.ServerCore})
	}
	return users
}
