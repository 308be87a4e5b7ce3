package rest

import (
	"context"
	"crypto/subtle"

	"postern/domain"
)

// keeper stores a secret and returns its id; stored is the one that is there now.
type keeper func(value, stored string) (id string, err error)

// pendingSecret stands in for the id of a secret while its document is judged.
const pendingSecret = "pending"

// pend is the keeper of documents that are judged only: it stores nothing.
func pend(string, string) (string, error) { return pendingSecret, nil }

// keepSecrets is the keeper of documents that are about to be committed.
func (a *API) keepSecrets(ctx context.Context) keeper {
	return func(value, stored string) (string, error) { return a.keepSecret(ctx, value, stored) }
}

// compareSecrets is the keeper of documents that are compared with what is stored:
// it knows the same secret again, and stores nothing.
func (a *API) compareSecrets(ctx context.Context) keeper {
	return func(value, stored string) (string, error) {
		if a.isStored(ctx, value, stored) {
			return stored, nil
		}
		return pendingSecret, nil
	}
}

// isStored reports whether the value is that of the stored secret.
func (a *API) isStored(ctx context.Context, value, stored string) bool {
	if stored == "" {
		return false
	}
	old, err := a.secrets.Get(ctx, stored)
	return err == nil && subtle.ConstantTimeCompare([]byte(old), []byte(value)) == 1
}

// keepSecret returns the id of the stored secret where that is the value, so
// that the same write twice is one change; else it stores the value.
func (a *API) keepSecret(ctx context.Context, value, stored string) (id string, err error) {
	if a.isStored(ctx, value, stored) {
		return stored, nil
	}
	id, err = a.secrets.Put(ctx, value)
	return id, domain.Wrap(err, "store a secret")
}

// claimed is the pointer of a secret that a document says is stored.
func claimed(pointer string, set bool) []string {
	if set {
		return []string{pointer}
	}
	return nil
}
