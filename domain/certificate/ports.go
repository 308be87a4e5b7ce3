package certificate

import (
	"context"
	"time"
)

// Act is who does something and when. Stores keep it with the change.
type Act struct {
	Author string
	At     time.Time
}

// Query selects a page of certificates in the order of their ids.
type Query struct {
	After       string // the last id of the page before; empty for the first page
	Before      string // the same of a list from the newest on
	NewestFirst bool   // turns the list around
	Limit       int    // at most so many; the service bounds it
	State       State  // only this state; empty for all
	// Staged selects those with an activation to come.
	Staged bool
}

// Store keeps certificates. Implementations are safe for concurrent use and
// report a missing id as [domain.NotFound].
type Store interface {
	// Insert stores a certificate and its key, which it seals. The chain, the
	// entity and the key are one row or one transaction.
	Insert(ctx context.Context, c Certificate, key PrivateKey) error
	Get(ctx context.Context, id string) (Certificate, error)
	List(ctx context.Context, q Query) ([]Certificate, error)
	// Activate makes the certificate the one active, under the next activation
	// number, in one transaction, and returns it as it now is (B41).
	Activate(ctx context.Context, id string, act Act) (Certificate, error)
	// Delete removes certificate and key. It refuses an active one with
	// [domain.Conflict] in the same transaction, whatever the caller checked
	// before (B46).
	Delete(ctx context.Context, id string, act Act) error
}

// Editor changes certificates that are stored. Implementations are safe for
// concurrent use and report a missing id as [domain.NotFound].
type Editor interface {
	// Complete puts the signed certificate into the place of the pending one with
	// its id; the key stays. Where it is not pending any more: [domain.Conflict].
	Complete(ctx context.Context, c Certificate, act Act) error
	// Stage notes the activation to come, nil for none, and returns the
	// certificate as it now is.
	Stage(ctx context.Context, id string, s *Staged, act Act) (Certificate, error)
	// Previous returns the certificate, of those that are still here, that was
	// active last before the active one; [domain.NotFound] where there is none.
	Previous(ctx context.Context) (Certificate, error)
	// RecordExport notes durably that the private key is about to leave (B45).
	RecordExport(ctx context.Context, c Certificate, act Act) error
}

// KeyReader opens sealed keys. A missing certificate is [domain.NotFound].
type KeyReader interface {
	KeyPair(ctx context.Context, id string) (KeyPair, error)
	// ActiveKeyPair returns the active certificate with its key.
	ActiveKeyPair(ctx context.Context) (KeyPair, error)
}

// Bindings tells what the running or committed configuration binds to a
// certificate, in words such as `listener "public"`; empty when nothing (B46).
type Bindings interface {
	Bindings(ctx context.Context, id string) ([]string, error)
}
