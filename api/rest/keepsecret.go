package rest

import (
	"context"
	"crypto/subtle"

	"postern/domain"
)

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
