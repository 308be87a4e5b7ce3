package mtasts

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/eventlog"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what a cache sees: DNS, the web server of example.com, and a store.
type world struct {
	t     *testing.T
	clock *smtptest.Clock

	mu      sync.Mutex
	id      string // of the TXT record; empty: no record
	dnsErr  error
	text    string
	webErr  error
	fetches int
	hold    chan struct{} // fetches wait for it; nil: they do not
	stored  map[mailaddr.DomainName]mtasts.Entry
	diskErr error
	events  []string
}

func newWorld(t *testing.T) *world {
	return &world{t: t, clock: smtptest.NewClock(), stored: map[mailaddr.DomainName]mtasts.Entry{}}
}

// publish has the domain publish a policy under an id.
func (w *world) publish(id, mode, maxAge string) {
	w.set(func() { w.id, w.text = id, "version: STSv1\nmode: "+mode+"\nmx: mx.example.com\nmax_age: "+maxAge+"\n" })
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) LookupTXT(_ context.Context, name mailaddr.DomainName) (dns.TXTResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dnsErr != nil:
		return dns.TXTResult{}, w.dnsErr
	case w.id == "" || name != "_mta-sts.example.com":
		return dns.TXTResult{Answer: dns.Answer{Class: dns.NoName}}, nil
	}
	return dns.TXTResult{Texts: []string{"v=STSv1; id=" + w.id}}, nil
}

func (w *world) Fetch(ctx context.Context, _ mailaddr.DomainName) (string, mtasts.Policy, error) {
	w.mu.Lock()
	w.fetches++
	text, err, hold := w.text, w.webErr, w.hold
	w.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return "", mtasts.Policy{}, ctx.Err()
		}
	}
	if err != nil {
		return "", mtasts.Policy{}, err
	}
	policy, err := mtasts.ParsePolicy(text)
	if err != nil {
		return "", mtasts.Policy{}, &FetchError{mtasts.ResultInvalid, err}
	}
	return text, policy, nil
}

func (w *world) Load(_ context.Context, yield func(mtasts.Entry) bool) error {
	for _, name := range slices.Sorted(maps.Keys(w.stored)) {
		yield(w.stored[name])
	}
	return w.diskErr
}

func (w *world) Put(_ context.Context, e mtasts.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.diskErr == nil {
		w.stored[e.Domain] = e
	}
	return w.diskErr
}

func (w *world) Delete(_ context.Context, names ...mailaddr.DomainName) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		delete(w.stored, name)
	}
	return w.diskErr
}

func (w *world) Append(e eventlog.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, string(e.Type))
}

func (w *world) cache() *Cache {
	w.t.Helper()
	c, err := NewCache(w.t.Context(), Dependencies{
		Store: w, Resolver: w, Source: w, Events: w, Metrics: NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// want looks and compares: the state for the MX host, why the newest policy is not
// known, and the fetches made until now.
func (w *world) want(c *Cache, state string, result mtasts.Result, fetches int) {
	w.t.Helper()
	f := c.Look(w.t.Context(), "example.com")
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := f.State("mx.example.com").String(); got != state || f.Problem.Result != result || w.fetches != fetches {
		w.t.Errorf("got %s %q after %d fetches, want %s %q after %d", got, f.Problem.Result, w.fetches, state, result, fetches)
	}
}

var (
	errWeb = &FetchError{mtasts.ResultFetch, errors.New("404")}
	errDNS = &dns.Error{Class: dns.Bogus, Name: "_mta-sts.example.com", Type: "TXT", Err: errors.New("SERVFAIL")}
)

// TestLook follows a domain from its first policy to its withdrawal (RFC 8461 §5.1, §8.3).
func TestLook(t *testing.T) {
	w := newWorld(t)
	c := w.cache()
	w.want(c, "none", mtasts.ResultRecord, 0) // it has none
	w.publish("1", "testing", "86400")
	w.want(c, "testing", "", 1)
	w.want(c, "testing", "", 1) // the id is known
	w.publish("2", "enforce", "86400")
	w.want(c, "enforce", "", 2)
	w.set(func() { w.id = "" })
	w.want(c, "enforce", mtasts.ResultRecord, 2) // taking the record away ends nothing
	w.publish("3", "none", "86400")
	w.want(c, "none", "", 3)
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := []string{"mta_sts.policy_changed", "mta_sts.policy_changed", "mta_sts.policy_changed"}; !slices.Equal(w.events, got) {
		t.Errorf("events: %q", w.events)
	}
}

// TestKeepsThePolicy is B60: an unexpired policy stays in force, whatever becomes of
// DNS and web server, over a restart too; and not a second longer.
func TestKeepsThePolicy(t *testing.T) {
	faults := map[string]struct {
		inject func(*world)
		result mtasts.Result
		after  string // the state when the policy has expired
	}{
		"DNS":            {func(w *world) { w.dnsErr = errDNS }, mtasts.ResultLookup, "unknown"},
		"no record":      {func(w *world) { w.id = "" }, mtasts.ResultRecord, "none"},
		"web server":     {func(w *world) { w.id, w.webErr = "2", errWeb }, mtasts.ResultFetch, "none"},
		"another policy": {func(w *world) { w.id, w.text = "2", "<html>" }, mtasts.ResultInvalid, "none"},
		"ourselves":      {func(w *world) { w.id, w.webErr = "2", &FetchError{mtasts.ResultLocal, syscall.EMFILE} }, mtasts.ResultLocal, "unknown"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.publish("1", "enforce", "86400")
			c := w.cache()
			w.want(c, "enforce", "", 1)
			w.set(func() { fault.inject(w) })
			if f := c.Look(t.Context(), "example.com"); !f.Applies || f.Problem.Result != fault.result {
				t.Errorf("got %+v", f)
			}
			c = w.cache() // a restart
			w.clock.Advance(24*time.Hour - time.Second)
			if f := c.Look(t.Context(), "example.com"); f.State("mx.example.com").String() != "enforce" {
				t.Errorf("a second before its end: %+v", f)
			}
			w.clock.Advance(time.Second)
			if f := c.Look(t.Context(), "example.com"); f.State("mx.example.com").String() != fault.after {
				t.Errorf("after its end: got %s, want %s", f.State("mx.example.com"), fault.after)
			}
		})
	}
}

// TestBackOff shows that a failing server is asked at growing distances, at once under
// another id, and that every failure is told of once.
func TestBackOff(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.id, w.webErr = "1", errWeb })
	c := w.cache()
	w.want(c, "none", mtasts.ResultFetch, 1)
	w.clock.Advance(firstBackOff - time.Second)
	w.want(c, "none", mtasts.ResultFetch, 1)
	w.clock.Advance(firstBackOff / 2)
	w.want(c, "none", mtasts.ResultFetch, 2)
	w.clock.Advance(firstBackOff + time.Minute)
	w.want(c, "none", mtasts.ResultFetch, 2) // the second one waits longer
	w.set(func() { w.webErr = nil })
	w.publish("2", "enforce", "86400")
	w.want(c, "enforce", "", 3) // a queued message goes under the corrected policy
	if want := []string{"mta_sts.policy_failed", "mta_sts.policy_changed"}; !slices.Equal(w.events, want) {
		t.Errorf("events: %q", w.events)
	}
	for failures := range 100 {
		if d := backOff(failures); d < firstBackOff || d > maxBackOff*5/4 {
			t.Errorf("after %d failures: %s", failures, d)
		}
	}
}

// TestUnknown is B60: mail waits where it cannot be told whether there is a policy.
func TestUnknown(t *testing.T) {
	w := newWorld(t)
	c := w.cache()
	w.set(func() { w.dnsErr = errDNS })
	w.want(c, "unknown", mtasts.ResultLookup, 0)
	w.set(func() { w.dnsErr = nil; w.id = "1"; w.webErr = &FetchError{mtasts.ResultLocal, syscall.EMFILE} })
	w.want(c, "unknown", mtasts.ResultLocal, 1)
	w.want(c, "unknown", mtasts.ResultLocal, 1) // backing off does not open either
	ended, end := context.WithCancel(t.Context())
	end()
	w.set(func() { w.id, w.hold = "2", make(chan struct{}) })
	if f := c.Look(ended, "example.com"); !f.Unknown {
		t.Errorf("nobody waited for the fetch: %+v", f)
	}
}

// TestDiskFault shows that the memory outlives the store.
func TestDiskFault(t *testing.T) {
	w := newWorld(t)
	c := w.cache()
	w.set(func() { w.diskErr = syscall.ENOSPC })
	w.publish("1", "enforce", "86400")
	w.want(c, "enforce", "", 1)
	w.want(c, "enforce", "", 1)
	if _, err := NewCache(t.Context(), c.Dependencies); err == nil {
		t.Error("a cache without its store would forget what is in force")
	}
}

// TestCollapse shows that many who ask at once cause one fetch.
func TestCollapse(t *testing.T) {
	w := newWorld(t)
	w.publish("1", "enforce", "86400")
	w.hold = make(chan struct{})
	c := w.cache()
	states := make(chan string)
	for range 20 {
		go func() { states <- c.Look(t.Context(), "example.com").State("mx.example.com").String() }()
	}
	smtptest.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.fetches > 0
	}, "the fetch begins")
	close(w.hold)
	for range 20 {
		if state := <-states; state != "enforce" {
			t.Errorf("got %s", state)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fetches != 1 {
		t.Errorf("%d fetches", w.fetches)
	}
}

// TestSweep shows that policies in use are renewed before they end, and what is of no
// more use is forgotten.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	w.publish("1", "enforce", "604800")
	c := w.cache()
	w.want(c, "enforce", "", 1)
	c.Sweep(t.Context())
	w.want(c, "enforce", "", 1) // it is not due
	w.clock.Advance(refreshEvery * 5 / 4)
	c.Sweep(t.Context())
	w.want(c, "enforce", "", 2)
	if e := c.List()[0]; !e.ExpiresAt.Equal(w.clock.Now().Add(7 * 24 * time.Hour)) {
		t.Errorf("expires at %s", e.ExpiresAt)
	}
	w.set(func() { w.id = "" })
	w.clock.Advance(refreshEvery * 5 / 4)
	c.Sweep(t.Context())
	w.want(c, "enforce", mtasts.ResultRecord, 2) // without a record there is nothing to fetch
	w.clock.Advance(unusedFor + time.Hour)
	c.Sweep(t.Context())
	if len(c.List())+len(w.stored) != 0 {
		t.Errorf("kept: %+v", c.List())
	}
}

// TestAct is what administrators do.
func TestAct(t *testing.T) {
	w := newWorld(t)
	c := w.cache()
	if _, err := c.Refresh(t.Context(), "example.com"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("nothing to refresh: %v", err)
	}
	if _, err := c.Pin(t.Context(), "example.com", &mtasts.Pin{}); domain.KindOf(err) != domain.NotFound {
		t.Errorf("nothing to pin: %v", err)
	}
	w.set(func() { w.id, w.webErr = "1", errWeb })
	w.want(c, "none", mtasts.ResultFetch, 1)
	if _, err := c.Pin(t.Context(), "example.com", &mtasts.Pin{}); domain.KindOf(err) != domain.Conflict {
		t.Errorf("no policy to pin: %v", err)
	}
	w.set(func() { w.webErr = nil })
	w.publish("1", "enforce", "86400")
	if e, err := c.Refresh(t.Context(), "example.com"); err != nil || e.Failures != 0 { // no back-off
		t.Errorf("refresh: %+v, %v", e, err)
	}
	if _, err := c.Pin(t.Context(), "example.com", &mtasts.Pin{By: "admin", Reason: "r", At: w.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(t.Context(), "example.com"); domain.KindOf(err) != domain.Conflict {
		t.Errorf("a pinned policy is not refreshed: %v", err)
	}
	w.publish("2", "none", "86400")
	w.clock.Advance(48 * time.Hour)
	c.Sweep(t.Context())
	w.want(w.cache(), "enforce", "", 2) // over a restart, past its end, and against a newer one
	if _, err := c.Pin(t.Context(), "example.com", nil); err != nil {
		t.Fatal(err)
	}
	w.want(c, "none", "", 3)
	if err := c.Flush(t.Context(), "example.com"); err != nil || len(c.List())+len(w.stored) != 0 {
		t.Errorf("flush: %v", err)
	}
	if err := c.Flush(t.Context(), "example.com"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("flush again: %v", err)
	}
}
