package policy

import (
	"fmt"

	"github.com/gaissmai/bart"

	"postern/domain/mailaddr"
)

// coverage knows what the entries of a table match so far, so that an entry
// which can never match is found by one look-up, however long the table is.
// Its values say which entry it was.
type coverage struct {
	all      string
	prefixes bart.Table[string]
	hosts    map[mailaddr.DomainName]string
	suffixes map[mailaddr.DomainName]string
}

func newCoverage() *coverage {
	return &coverage{hosts: map[mailaddr.DomainName]string{}, suffixes: map[mailaddr.DomainName]string{}}
}

// add takes an entry in.
func (c *coverage) add(p mailaddr.SenderPattern, group string) {
	entry := fmt.Sprintf("%s in group %s", p, group)
	if p.IsAll() {
		c.all = entry
	}
	for _, prefix := range p.Prefixes() {
		c.prefixes.Insert(prefix, entry)
	}
	host, _ := p.Host()
	if name, ok := host.Exact(); ok {
		c.hosts[name] = entry
	}
	if suffix, ok := host.Suffix(); ok {
		c.suffixes[suffix] = entry
	}
}

// covering returns an entry that matches all that the pattern does.
func (c *coverage) covering(p mailaddr.SenderPattern) (entry string, ok bool) {
	if c.all != "" {
		return c.all, true
	}
	host, _ := p.Host()
	if name, isName := host.Exact(); isName {
		if entry, ok = c.hosts[name]; ok {
			return entry, true
		}
		return c.within(name)
	}
	if suffix, isSuffix := host.Suffix(); isSuffix {
		if entry, ok = c.suffixes[suffix]; ok {
			return entry, true
		}
		return c.within(suffix)
	}
	return c.coveringAll(p)
}

// within returns a suffix entry that holds the name.
func (c *coverage) within(name mailaddr.DomainName) (entry string, ok bool) {
	for parent, more := name.Parent(); more; parent, more = parent.Parent() {
		if entry, ok = c.suffixes[parent]; ok {
			return entry, true
		}
	}
	return "", false
}

// coveringAll returns the entry that holds the last of the pattern's prefixes,
// if every one of them is held by some.
func (c *coverage) coveringAll(p mailaddr.SenderPattern) (entry string, ok bool) {
	for _, prefix := range p.Prefixes() {
		if entry, ok = c.prefixes.LookupPrefix(prefix); !ok {
			return "", false
		}
	}
	return entry, ok
}
