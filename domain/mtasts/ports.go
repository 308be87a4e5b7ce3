package mtasts

import (
	"context"

	"postern/domain/mailaddr"
)

// Store keeps the cache over restarts.
type Store interface {
	// Load hands out every entry until yield returns false.
	Load(ctx context.Context, yield func(Entry) bool) error
	// Put writes an entry as a whole.
	Put(ctx context.Context, e Entry) error
	// Delete forgets the domains.
	Delete(ctx context.Context, domains ...mailaddr.DomainName) error
}

// Cache is what administrators do with the policies of others (B60). Errors are of
// kind NotFound for a domain that it does not know.
type Cache interface {
	// List returns the entries in order of their domains.
	List() []Entry
	// Refresh fetches the policy now. Where that fails the entry says why.
	Refresh(ctx context.Context, domain mailaddr.DomainName) (Entry, error)
	// Pin keeps the policy in force until it is unpinned by nil. It is Conflict
	// where there is no policy.
	Pin(ctx context.Context, domain mailaddr.DomainName, pin *Pin) (Entry, error)
	// Flush forgets the domains, pinned or not.
	Flush(ctx context.Context, domains ...mailaddr.DomainName) error
}
