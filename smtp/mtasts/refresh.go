package mtasts

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

const (
	sweepEvery = 5 * time.Minute
	// refreshes is how many policies are fetched at a time.
	refreshes = 4
	// unusedFor is after how long nobody is expected to ask for a policy any more.
	unusedFor = 60 * 24 * time.Hour
)

// Run refreshes policies ahead of their end and forgets old ones, until the context
// ends.
func (c *Cache) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.Sweep(ctx)
		}
	}
}

// Sweep does once what is due.
func (c *Cache) Sweep(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(refreshes)
	var old []mailaddr.DomainName
	now := c.Now()
	for _, e := range c.List() {
		switch {
		case ctx.Err() != nil:
			return
		case isOld(e, now):
			old = append(old, e.Domain)
		case needsRefresh(e, now):
			group.Go(func() error {
				c.refresh(ctx, e)
				return nil
			})
		}
	}
	_ = group.Wait() // entries tell of failures
	if len(old) > 0 {
		if err := c.Flush(ctx, old...); err != nil {
			c.Logger.Warn("old MTA-STS policies are not forgotten", "error", err.Error())
		}
	}
}

// isOld reports whether an entry is of no more use: it is not in force, and nobody has
// asked for it in a long time. One that is in force is kept, since it would protect
// the next mail.
func isOld(e mtasts.Entry, now time.Time) bool {
	return !e.InForce(now) && now.Sub(e.UsedAt) > unusedFor
}

func needsRefresh(e mtasts.Entry, now time.Time) bool {
	return e.Pinned == nil && e.InForce(now) && now.Sub(e.UsedAt) <= unusedFor &&
		!now.Before(e.RefreshAt) && !now.Before(e.NextTry)
}

// refresh fetches a policy although its id is known: that proves that it still stands,
// and has it expire later. Where the domain has taken its record away, the policy lives
// out its time (RFC 8461 §8.3).
func (c *Cache) refresh(ctx context.Context, e mtasts.Entry) {
	id, _ := c.record(ctx, e.Domain)
	if id == "" {
		c.update(e.Domain, func(e mtasts.Entry) mtasts.Entry {
			e.RefreshAt = c.Now().Add(jitter(maxBackOff))
			return e
		})
		return
	}
	_, _ = c.fetch(ctx, e.Domain, id) // the entry tells of a failure
}
