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

// keepSecret returns the id of the stored secret where that is the value, so
// that the same write twice is one change; else it stores the value.
func (a *API) keepSecret(ctx context.Context, value, stored string) (id string, err error) {
	if stored != "" {
		if old, err := a.secrets.Get(ctx, stored); err == nil && subtle.ConstantTimeCompare([]byte(old), []byte(value)) == 1 {
			return stored, nil
		}
	}
	id, err = a.secrets.Put(ctx, value)
	return id, domain.Wrap(err, "store a secret")
}
