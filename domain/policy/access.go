package policy

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"postern/domain/mailaddr"
)

// AccessTable is a host access table made ready for look-ups: address patterns
// sit in prefix tables, names in maps, so that a match costs the same for ten
// entries and for a hundred thousand.
type AccessTable struct {
	groups []*accessGroup
	names  bool
}

type accessGroup struct {
	name, policy string
	all          bool
	prefixes     bart.Lite
	hosts        map[mailaddr.DomainName]struct{}
	suffixes     map[mailaddr.DomainName]struct{}
}

// NewAccessTable makes a table ready for look-ups.
func NewAccessTable(t HostAccessTable) *AccessTable {
	table := &AccessTable{}
	for _, g := range t.Groups {
		group := &accessGroup{name: g.Name, policy: g.Policy, all: g.Name == AllGroup}
		for _, s := range g.Senders {
			group.add(s.Pattern)
		}
		table.names = table.names || len(group.hosts)+len(group.suffixes) > 0
		table.groups = append(table.groups, group)
	}
	return table
}

func (g *accessGroup) add(p mailaddr.SenderPattern) {
	for _, prefix := range p.Prefixes() {
		g.prefixes.Insert(prefix)
	}
	g.all = g.all || p.IsAll()
	host, _ := p.Host()
	if name, ok := host.Exact(); ok {
		g.hosts = with(g.hosts, name)
	}
	if suffix, ok := host.Suffix(); ok {
		g.suffixes = with(g.suffixes, suffix)
	}
}

func with(set map[mailaddr.DomainName]struct{}, name mailaddr.DomainName) map[mailaddr.DomainName]struct{} {
	if set == nil {
		set = map[mailaddr.DomainName]struct{}{}
	}
	set[name] = struct{}{}
	return set
}

// NeedsNames reports whether any entry is a host name, so that a client's PTR
// record has to be looked up and confirmed (B13).
func (t *AccessTable) NeedsNames() bool { return t.names }

// NamesAbove reports whether a sender group above the named one holds host
// names, so that a client in it whose names are not known may belong higher. It
// is asked of the whole table where no group has the name.
func (t *AccessTable) NamesAbove(group string) bool {
	for range t.NamedAbove(group) {
		return true
	}
	return false
}

// NamedAbove calls yield for every sender group with host names above the named
// one, in the order of the table, until yield returns false: those that a client
// whose names are not known may belong to.
func (t *AccessTable) NamedAbove(group string) func(yield func(AccessMatch) bool) {
	return func(yield func(AccessMatch) bool) {
		for _, g := range t.groups {
			if g.name == group {
				return
			}
			if len(g.hosts)+len(g.suffixes) > 0 && !yield(AccessMatch{Group: g.name, Policy: g.policy}) {
				return
			}
		}
	}
}

// AccessMatch is the sender group that a client fell into.
type AccessMatch struct {
	Group, Policy string
}

// Matches calls yield for every sender group that the client is in, in the
// order of the table, until yield returns false: the first one decides, unless
// its policy says continue (B12, B14). confirmed holds the client's
// forward-confirmed names, never what HELO claimed (B13).
func (t *AccessTable) Matches(addr netip.Addr, confirmed []mailaddr.DomainName) func(yield func(AccessMatch) bool) {
	return func(yield func(AccessMatch) bool) {
		for _, g := range t.groups {
			if g.matches(addr.Unmap(), confirmed) && !yield(AccessMatch{Group: g.name, Policy: g.policy}) {
				return
			}
		}
	}
}

func (g *accessGroup) matches(addr netip.Addr, confirmed []mailaddr.DomainName) bool {
	if g.all || g.prefixes.Contains(addr) {
		return true
	}
	for _, name := range confirmed {
		if _, ok := g.hosts[name]; ok {
			return true
		}
		for parent, ok := name.Parent(); ok; parent, ok = parent.Parent() {
			if _, found := g.suffixes[parent]; found {
				return true
			}
		}
	}
	return false
}
