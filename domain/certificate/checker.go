package certificate

import (
	"context"
	"time"

	"postern/domain"
)

// Checker answers whether a certificate could be served now. It is a type of
// its own because the configuration asks it before it commits, while [Service]
// asks the configuration what is bound to a certificate.
type Checker struct {
	store Store
	keys  KeyReader
	now   func() time.Time
}

// NewChecker returns a checker on a store and its keys.
func NewChecker(store Store, keys KeyReader, now func() time.Time) Checker {
	return Checker{store: store, keys: keys, now: now}
}

// CheckUsable returns nil when handshakes could use the certificate now; an
// empty id means the active one. The demonstration certificate can be used,
// with a warning (B1, B52). A missing certificate is [domain.NotFound], one that
// cannot serve [domain.Invalid].
func (c Checker) CheckUsable(ctx context.Context, id string) (warning string, err error) {
	pair, err := c.open(ctx, id)
	if err != nil {
		return "", err
	}
	if pair.Certificate.Insecure {
		warning = "certificate " + pair.Certificate.ID + ": " + demonstrationWarning
	}
	return warning, c.checkServable(pair)
}

// Active returns the active certificate, or [domain.NotFound] when there is
// none.
func (c Checker) Active(ctx context.Context) (Certificate, error) {
	list, err := c.store.List(ctx, Query{State: Active, Limit: 1})
	if err != nil {
		return Certificate{}, domain.Wrap(err, "get the active certificate")
	}
	if len(list) == 0 {
		return Certificate{}, domain.E(domain.NotFound, "no certificate is active")
	}
	return list[0], nil
}

// checkServable refuses a pair that a handshake could not use now.
func (c Checker) checkServable(pair KeyPair) error {
	err := pair.Certificate.Usable(c.now())
	if err == nil {
		err = pair.Check()
	}
	if err != nil {
		return domain.E(domain.Invalid, "certificate %s cannot be served: %s", pair.Certificate.ID, err)
	}
	return nil
}

func (c Checker) open(ctx context.Context, id string) (KeyPair, error) {
	if id == "" {
		return c.keys.ActiveKeyPair(ctx)
	}
	return c.keys.KeyPair(ctx, id)
}
