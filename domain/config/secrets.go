package config

import "context"

// Secrets keeps passwords and keys, sealed, apart from the documents that refer
// to them: so no document, revision, diff or event can reveal one. A secret
// never changes and is never deleted, since a roll back may return to it; a new
// value is a new secret.
type Secrets interface {
	// Put seals a value and returns the id that documents refer to it by.
	Put(ctx context.Context, value string) (id string, err error)
	// Get returns the value; NotFound where there is none of the id.
	Get(ctx context.Context, id string) (string, error)
}
