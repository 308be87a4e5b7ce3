package mtasts

import (
	"context"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

// Refresh is [mtasts.Cache.Refresh]. Back-off does not keep an administrator waiting.
func (c *Cache) Refresh(ctx context.Context, name mailaddr.DomainName) (mtasts.Entry, error) {
	known := c.get(name)
	if known.Pinned != nil {
		return known, domain.E(domain.Conflict, "the policy of %s is pinned: unpin it first", name)
	}
	id, problem := c.record(ctx, name)
	if id == "" {
		if known.Domain == "" {
			return known, domain.E(domain.NotFound, "%s has no policy to fetch: %s", name, problem.Detail)
		}
		id = known.RecordID // the web server may have a newer one all the same
	}
	e, err := c.fetch(ctx, name, id)
	if err != nil {
		return e, &domain.Error{Kind: domain.Unavailable, Detail: "the policy was not fetched in time", Err: err}
	}
	return e, nil
}

// Pin is [mtasts.Cache.Pin].
func (c *Cache) Pin(ctx context.Context, name mailaddr.DomainName, pin *mtasts.Pin) (mtasts.Entry, error) {
	c.writes.Lock()
	defer c.writes.Unlock()
	e := c.get(name)
	switch {
	case e.Domain == "":
		return e, notCached(name)
	case pin != nil && e.Text == "":
		return e, domain.E(domain.Conflict, "no policy of %s was ever fetched: there is nothing to pin", name)
	}
	e.Pinned = pin
	// Stored first: an administrator's word must outlive a restart.
	if err := c.Store.Put(ctx, e); err != nil {
		return e, domain.Wrap(err, "store the pin")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[name] = e
	return e, nil
}

// Flush is [mtasts.Cache.Flush].
func (c *Cache) Flush(ctx context.Context, names ...mailaddr.DomainName) error {
	c.writes.Lock()
	defer c.writes.Unlock()
	if len(names) == 1 && c.get(names[0]).Domain == "" {
		return notCached(names[0])
	}
	if err := c.Store.Delete(ctx, names...); err != nil {
		return domain.Wrap(err, "forget MTA-STS policies")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		delete(c.entries, name)
	}
	return nil
}

func notCached(name mailaddr.DomainName) error {
	return domain.E(domain.NotFound, "no MTA-STS policy of %s is known", name)
}
