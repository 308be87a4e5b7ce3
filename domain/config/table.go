package config

import (
	"hash/maphash"
	"iter"
)

// shardCount bounds what one edit copies: a list of shards and one shard. With
// a million entries a shard holds about a thousand.
const shardCount = 1024

// table is an immutable map that shares what did not change with the table it
// was made from, so that one edit among a million costs microseconds.
type table[K ~string, V any] struct {
	shards *[shardCount]map[K]V
	count  int
}

// hashSeed is fixed for the life of the process; tables made from one another
// must agree on it.
var hashSeed = maphash.MakeSeed()

func shardOf[K ~string](key K) int {
	return int(maphash.String(hashSeed, string(key)) % shardCount)
}

// Get returns the value of the key.
func (t table[K, V]) Get(key K) (V, bool) {
	if t.shards == nil {
		var none V
		return none, false
	}
	v, ok := t.shards[shardOf(key)][key]
	return v, ok
}

// Len returns the number of entries.
func (t table[K, V]) Len() int { return t.count }

// All iterates over the entries in no order.
func (t table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.shards == nil {
			return
		}
		for _, shard := range t.shards {
			for k, v := range shard {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// tableEdit is a table under work. Each shard is copied at most once, however
// many edits fall into it.
type tableEdit[K ~string, V any] struct {
	table table[K, V]
	owned [shardCount]bool
	began bool
}

// edit begins work on a successor of the table.
func (t table[K, V]) edit() *tableEdit[K, V] { return &tableEdit[K, V]{table: t} }

// Set writes an entry; nil deletes it.
func (e *tableEdit[K, V]) Set(key K, value *V) {
	shard := e.own(shardOf(key))
	before := len(shard)
	if value == nil {
		delete(shard, key)
	} else {
		shard[key] = *value
	}
	e.table.count += len(shard) - before
}

func (e *tableEdit[K, V]) own(i int) map[K]V {
	if !e.began {
		shards := new([shardCount]map[K]V)
		if e.table.shards != nil {
			*shards = *e.table.shards
		}
		e.table.shards, e.began = shards, true
	}
	if !e.owned[i] {
		fresh := make(map[K]V, len(e.table.shards[i])+1)
		for k, v := range e.table.shards[i] {
			fresh[k] = v
		}
		e.table.shards[i], e.owned[i] = fresh, true
	}
	return e.table.shards[i]
}

// done returns the successor. The edit must not be used afterwards.
func (e *tableEdit[K, V]) done() table[K, V] { return e.table }
