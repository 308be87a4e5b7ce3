package config

import (
	"iter"
	"net/netip"

	"github.com/gaissmai/bart"

	"postern/domain/mailaddr"
)

// hostTable finds the entry for a domain: exact, then the longest suffix, then
// the catch-all (B21, B31).
type hostTable[V any] struct {
	exact    table[mailaddr.DomainName, *V]
	suffixes table[mailaddr.DomainName, *V]
	all      *V
}

// Lookup returns the entry for the domain, nil where none matches.
func (t *hostTable[V]) Lookup(name mailaddr.DomainName) *V {
	return t.find(name, func(*V) bool { return true })
}

// find returns the narrowest entry for the domain that is accepted.
func (t *hostTable[V]) find(name mailaddr.DomainName, accept func(*V) bool) *V {
	if v, ok := t.exact.Get(name); ok && accept(v) {
		return v
	}
	if t.suffixes.Len() > 0 {
		for parent, ok := name.Parent(); ok; parent, ok = parent.Parent() {
			if v, found := t.suffixes.Get(parent); found && accept(v) {
				return v
			}
		}
	}
	if t.all != nil && accept(t.all) {
		return t.all
	}
	return nil
}

// Len returns the number of entries.
func (t *hostTable[V]) Len() int {
	n := t.exact.Len() + t.suffixes.Len()
	if t.all != nil {
		n++
	}
	return n
}

// All iterates over the entries in no order.
func (t *hostTable[V]) All() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for _, part := range []table[mailaddr.DomainName, *V]{t.exact, t.suffixes} {
			for _, v := range part.All() {
				if !yield(v) {
					return
				}
			}
		}
		if t.all != nil {
			yield(t.all)
		}
	}
}

// hostTableEdit is a hostTable under work.
type hostTableEdit[V any] struct {
	exact, suffixes *tableEdit[mailaddr.DomainName, *V]
	all             *V
}

func (t hostTable[V]) edit() *hostTableEdit[V] {
	return &hostTableEdit[V]{exact: t.exact.edit(), suffixes: t.suffixes.edit(), all: t.all}
}

// hostPattern is a pattern of names: exact, a suffix, or neither: the catch-all.
type hostPattern interface {
	Exact() (mailaddr.DomainName, bool)
	Suffix() (mailaddr.DomainName, bool)
}

// Set writes the entry of a pattern; nil deletes it.
func (e *hostTableEdit[V]) Set(pattern hostPattern, value *V) {
	entry := &value
	if value == nil {
		entry = nil
	}
	if exact, ok := pattern.Exact(); ok {
		e.exact.Set(exact, entry)
	} else if suffix, ok := pattern.Suffix(); ok {
		e.suffixes.Set(suffix, entry)
	} else {
		e.all = value
	}
}

func (e *hostTableEdit[V]) done() hostTable[V] {
	return hostTable[V]{exact: e.exact.done(), suffixes: e.suffixes.done(), all: e.all}
}

// endpointTable finds the entries of a STARTTLS list that match a name or an
// address (B25).
type endpointTable[V any] struct {
	names    hostTable[V]
	prefixes *bart.Table[*V]
}

// FindName returns the narrowest entry for a host or domain name that is
// accepted, nil where none is: one that has expired hides no wider one.
func (t *endpointTable[V]) FindName(name mailaddr.DomainName, accept func(*V) bool) *V {
	return t.names.find(name, accept)
}

// FindAddr returns the accepted entry of the longest prefix that holds the
// address, nil where none does.
func (t *endpointTable[V]) FindAddr(addr netip.Addr, accept func(*V) bool) *V {
	if t.prefixes == nil || !addr.IsValid() {
		return nil
	}
	addr = addr.Unmap()
	for _, v := range t.prefixes.Supernets(netip.PrefixFrom(addr, addr.BitLen())) {
		if accept(v) {
			return v
		}
	}
	return nil
}

type endpointTableEdit[V any] struct {
	names    *hostTableEdit[V]
	prefixes *bart.Table[*V]
}

func (t endpointTable[V]) edit() *endpointTableEdit[V] {
	e := &endpointTableEdit[V]{names: t.names.edit(), prefixes: t.prefixes}
	if e.prefixes == nil {
		e.prefixes = new(bart.Table[*V])
	}
	return e
}

// Set writes the entry of a pattern; nil deletes it. The prefix table of the
// predecessor is left as it was.
func (e *endpointTableEdit[V]) Set(pattern mailaddr.EndpointPattern, value *V) {
	prefix, isPrefix := pattern.Prefix()
	switch {
	case !isPrefix:
		e.names.Set(pattern, value)
	case value == nil:
		e.prefixes = e.prefixes.DeletePersist(prefix)
	default:
		e.prefixes = e.prefixes.InsertPersist(prefix, value)
	}
}

func (e *endpointTableEdit[V]) done() endpointTable[V] {
	return endpointTable[V]{names: e.names.done(), prefixes: e.prefixes}
}

// has reports whether the very pattern has an entry.
func (t *endpointTable[V]) has(pattern mailaddr.EndpointPattern) bool {
	if prefix, ok := pattern.Prefix(); ok {
		if t.prefixes == nil {
			return false
		}
		_, found := t.prefixes.Get(prefix)
		return found
	}
	if name, ok := pattern.Exact(); ok {
		_, found := t.names.exact.Get(name)
		return found
	}
	suffix, _ := pattern.Suffix()
	_, found := t.names.suffixes.Get(suffix)
	return found
}

// len returns the number of entries.
func (t *endpointTable[V]) len() int {
	n := t.names.Len()
	if t.prefixes != nil {
		n += t.prefixes.Size()
	}
	return n
}
