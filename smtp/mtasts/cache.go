package mtasts

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/eventlog"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/smtp/dns"
)

// TXTResolver looks up TXT records.
type TXTResolver interface {
	LookupTXT(context.Context, mailaddr.DomainName) (dns.TXTResult, error)
}

var _ TXTResolver = (*dns.Resolver)(nil)

// Source gets policies from where domains publish them.
type Source interface {
	Fetch(context.Context, mailaddr.DomainName) (string, mtasts.Policy, error)
}

var _ Source = (*Fetcher)(nil)

// Log takes in events. It never waits.
type Log interface {
	Append(e eventlog.Event)
}

// Dependencies is what the cache works with.
type Dependencies struct {
	Store    mtasts.Store
	Resolver TXTResolver
	Source   Source
	Events   Log
	Metrics  *Metrics
	Logger   *slog.Logger
	Now      func() time.Time
}

// Cache knows the policies of other domains. It is safe for concurrent use.
type Cache struct {
	Dependencies
	writes sync.Mutex // held while an entry is changed here and in the store

	mu      sync.Mutex
	entries map[mailaddr.DomainName]mtasts.Entry
	flights map[mailaddr.DomainName]chan struct{} // fetches under way; closed at their end

	life    context.Context // of fetches; ends with Close
	end     context.CancelFunc
	running sync.WaitGroup
}

var _ mtasts.Cache = (*Cache)(nil)

// NewCache returns a cache with what the store has.
func NewCache(ctx context.Context, d Dependencies) (*Cache, error) {
	c := &Cache{
		Dependencies: d, entries: map[mailaddr.DomainName]mtasts.Entry{}, flights: map[mailaddr.DomainName]chan struct{}{},
	}
	c.life, c.end = context.WithCancel(context.WithoutCancel(ctx))
	err := d.Store.Load(ctx, func(e mtasts.Entry) bool {
		c.entries[e.Domain] = e
		return true
	})
	return c, domain.Wrap(err, "load the MTA-STS policies")
}

// Close ends fetches that are under way and waits for them.
func (c *Cache) Close() {
	c.mu.Lock()
	c.end() // no fetch begins from here on
	c.mu.Unlock()
	c.running.Wait()
}

// Look finds out what a domain demands now (B60): it costs a TXT look-up, and a fetch
// where the record has another id than the policy that is known.
func (c *Cache) Look(ctx context.Context, name mailaddr.DomainName) mtasts.Finding {
	known := c.touch(name)
	if known.Pinned != nil {
		return c.found(known, known.Problem)
	}
	id, problem := c.record(ctx, name)
	switch {
	case id == "":
		return c.found(known, problem)
	case known.RecordID == id && known.InForce(c.Now()), !c.due(known, id):
		return c.found(known, known.Problem)
	}
	known, err := c.fetch(ctx, name, id)
	if err != nil {
		return c.found(known, mtasts.Problem{Result: mtasts.ResultLocal, Detail: "the policy was not fetched in time"})
	}
	return c.found(known, known.Problem)
}

// found is what an entry means now.
//
// RFC 8461 §5.1: whatever keeps the newest policy from being known, one that has not
// expired holds; and without one, mail goes as if there were none. That is not so where
// the fault is ours, or where DNS gave no answer at all: such mail waits.
func (c *Cache) found(e mtasts.Entry, problem mtasts.Problem) mtasts.Finding {
	f := mtasts.Finding{Entry: e, Applies: e.InForce(c.Now()), Problem: problem}
	f.Unknown = !f.Applies && (problem.Result == mtasts.ResultLocal || problem.Result == mtasts.ResultLookup)
	return f
}

// due reports whether a try may be made for the record with the id.
func (c *Cache) due(e mtasts.Entry, id string) bool {
	return e.FailedID != id || !c.Now().Before(e.NextTry)
}

// record looks the TXT record up; without an id the problem says why, and is empty
// where the domain never tried to have a policy.
func (c *Cache) record(ctx context.Context, name mailaddr.DomainName) (id string, problem mtasts.Problem) {
	at, err := mtasts.RecordName(name)
	if err != nil {
		return "", mtasts.Problem{Result: mtasts.ResultRecord, Detail: err.Error()}
	}
	found, err := c.Resolver.LookupTXT(ctx, at)
	if err != nil {
		return "", mtasts.Problem{Result: mtasts.ResultLookup, Detail: err.Error()}
	}
	id, err = mtasts.ParseRecord(found.Texts)
	if err != nil {
		return "", mtasts.Problem{Result: mtasts.ResultRecord, Detail: err.Error()}
	}
	return id, mtasts.Problem{}
}

// usedStep is how exactly it is noted when a policy was used last.
const usedStep = time.Hour

// touch returns the entry of a domain, and notes that it is in use.
func (c *Cache) touch(name mailaddr.DomainName) mtasts.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[name]
	if ok && c.Now().Sub(e.UsedAt) > usedStep {
		e.UsedAt = c.Now()
		c.entries[name] = e
	}
	return e
}

// fetch gets the policy, once for all who ask for it at the same time, and returns the
// entry. It fails only where the context ends before.
func (c *Cache) fetch(ctx context.Context, name mailaddr.DomainName, id string) (mtasts.Entry, error) {
	select {
	case <-c.launch(name, id):
		return c.get(name), c.life.Err()
	case <-ctx.Done():
		return c.get(name), ctx.Err()
	}
}

// launch begins a fetch where none of the domain is under way.
func (c *Cache) launch(name mailaddr.DomainName, id string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if landed, ok := c.flights[name]; ok {
		return landed
	}
	landed := make(chan struct{})
	if c.life.Err() != nil {
		close(landed)
		return landed
	}
	c.flights[name] = landed
	c.running.Go(func() {
		defer close(landed)
		c.fly(name, id)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.flights, name)
	})
	return landed
}

func (c *Cache) get(name mailaddr.DomainName) mtasts.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[name]
}

// fly makes one fetch and puts what came of it into the cache.
func (c *Cache) fly(name mailaddr.DomainName, id string) {
	text, policy, err := c.Source.Fetch(c.life, name)
	if c.life.Err() != nil {
		return // we stop: nothing was learnt
	}
	var before mtasts.Entry
	after := c.update(name, func(e mtasts.Entry) mtasts.Entry {
		before = e
		if err != nil {
			at := c.Now()
			return e.Failed(id, problemOf(err), at, at.Add(backOff(e.Failures)))
		}
		return c.fetched(e, id, text, policy)
	})
	c.Metrics.fetched(after.Problem.Result)
	c.tell(before, after)
}

func (c *Cache) fetched(e mtasts.Entry, id, text string, policy mtasts.Policy) mtasts.Entry {
	at := c.Now()
	e = e.Fetched(id, text, policy, at)
	// A shorter life would have us fetch it for every message.
	e.ExpiresAt = at.Add(max(policy.MaxAge, minLife))
	e.RefreshAt = at.Add(jitter(min(policy.MaxAge/2, refreshEvery)))
	return e
}

// update changes an entry, in memory first and then in the store.
func (c *Cache) update(name mailaddr.DomainName, change func(mtasts.Entry) mtasts.Entry) mtasts.Entry {
	c.writes.Lock()
	defer c.writes.Unlock()
	c.mu.Lock()
	e, ok := c.entries[name]
	if !ok {
		e = mtasts.Entry{Domain: name, UsedAt: c.Now()}
	}
	e = change(e)
	c.entries[name] = e
	c.mu.Unlock()
	if err := c.Store.Put(c.life, e); err != nil {
		c.Logger.Error("an MTA-STS policy is not stored", "domain", name.String(), "error", err.Error())
	}
	return e
}

// Times of the cache.
const (
	minLife      = 5 * time.Minute
	firstBackOff = 5 * time.Minute // RFC 8461 §3.3 asks for this much
	maxBackOff   = time.Hour
	refreshEvery = 24 * time.Hour // RFC 8461 §3.3
)

// backOff is how long the next try waits after as many failures before the last one.
func backOff(failures int) time.Duration {
	return jitter(min(firstBackOff<<min(failures, 10), maxBackOff))
}

// jitter adds up to a quarter, so that what happened at once is spread.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// tell writes what an operator may want to know of a fetch: that a policy is new or
// another, and that a domain's policy can no longer be fetched.
func (c *Cache) tell(before, after mtasts.Entry) {
	subject := eventlog.Subject{Kind: "mta_sts_policy", Key: after.Domain.String()}
	switch {
	case after.Failures == 1:
		c.Events.Append(eventlog.New(eventlog.MTASTSPolicyFailed, subject, c.Now(), map[string]any{
			"result": after.Problem.Result, "detail": after.Problem.Detail, "in_force": after.InForce(c.Now()),
		}))
	case after.Failures == 0 && (before.Text == "" || before.Policy.String() != after.Policy.String()):
		c.Events.Append(eventlog.New(eventlog.MTASTSPolicyChanged, subject, c.Now(), map[string]any{
			"mode": after.Policy.Mode, "mode_before": before.Policy.Mode, "id": after.RecordID,
		}))
	}
}

// List is [mtasts.Cache.List].
func (c *Cache) List() []mtasts.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]mtasts.Entry, 0, len(c.entries))
	for _, e := range c.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b mtasts.Entry) int { return strings.Compare(string(a.Domain), string(b.Domain)) })
	return list
}
