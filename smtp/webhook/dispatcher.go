package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/policy"
	"postern/domain/webhook"
)

// followInterval is how often the configuration is looked at, at least, and how
// often deliveries of old events are forgotten.
const (
	followInterval = 10 * time.Second
	keepInterval   = 10 * time.Minute
)

// Log is the log of events that webhooks follow.
type Log interface {
	Read(ctx context.Context, q eventlog.Query) (eventlog.Page, error)
	Wait(ctx context.Context, after int64) error
	Newest() int64
}

// Poster makes one try to post a document; [Caller] is the one of the product.
type Poster interface {
	Post(ctx context.Context, to string, header http.Header, body []byte) (status int, err error)
}

var _ Poster = (*Caller)(nil)

// Alerts takes word of webhooks that fail.
type Alerts interface {
	Raise(ctx context.Context, e alert.Event) error
	Resolve(ctx context.Context, key, reason string) error
	// IsOpen reports whether an alert of the key is not resolved. It never waits.
	IsOpen(key string) bool
}

// Dependencies is what a [Dispatcher] is built on. All fields are required.
type Dependencies struct {
	Log      Log
	Store    webhook.Store
	Snapshot func() *config.Snapshot
	Secrets  config.Secrets
	Poster   Poster
	Alerts   Alerts
	Bus      *event.Bus
	Logger   *slog.Logger
	Now      func() time.Time
	// Spread changes a pause a little, so that receivers that fail together are not
	// called together.
	Spread func(time.Duration) time.Duration
	// Count is told of each try: "delivered" or "failed".
	Count func(result string)
}

// Dispatcher posts the events of the log to the webhooks of the configuration.
type Dispatcher struct {
	Dependencies

	mu      sync.Mutex
	workers map[string]*worker // by name of the webhook
	running context.Context    // nil until it runs
}

// NewDispatcher returns a dispatcher that posts nothing until it runs.
func NewDispatcher(d Dependencies) *Dispatcher {
	return &Dispatcher{Dependencies: d, workers: map[string]*worker{}}
}

// Run posts events until the context ends.
func (d *Dispatcher) Run(ctx context.Context) {
	wake := d.Bus.Subscribe(event.ConfigurationChanged)
	defer wake.Close()
	defer d.stopAll()
	d.mu.Lock()
	d.running = ctx
	d.mu.Unlock()
	ticker, keep := time.NewTicker(followInterval), time.NewTicker(keepInterval)
	defer ticker.Stop()
	defer keep.Stop()
	d.keep(ctx)
	for {
		d.follow(ctx)
		select {
		case <-ctx.Done():
			return
		case <-wake.C():
		case <-ticker.C:
		case <-keep.C:
			d.keep(ctx)
		}
	}
}

// follow starts and ends workers as the configuration has it.
func (d *Dispatcher) follow(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := map[string]policy.Webhook{}
	for _, w := range d.Snapshot().Webhooks() {
		if w.Enabled {
			wanted[w.Name] = w
		}
	}
	for name, w := range d.workers {
		if hook, ok := wanted[name]; !ok || !w.serves(hook) {
			w.stop()
			delete(d.workers, name)
			if !ok {
				d.forget(ctx, name)
			}
		}
	}
	for name, hook := range wanted {
		if d.workers[name] == nil && ctx.Err() == nil {
			d.workers[name] = d.start(ctx, hook)
		}
	}
}

// forget ends what is told of a webhook that is switched off. One that is gone is
// forgotten altogether, so that another one of its name begins anew.
func (d *Dispatcher) forget(ctx context.Context, name string) {
	d.resolve(ctx, name, "it is switched off")
	if _, exists := d.Snapshot().Webhook(name); !exists {
		d.keep(ctx)
	}
}

// keep forgets what belongs to no webhook and to no event.
func (d *Dispatcher) keep(ctx context.Context) {
	var names []string
	for _, w := range d.Snapshot().Webhooks() {
		names = append(names, w.Name)
	}
	if err := d.Store.Keep(ctx, names); err != nil && ctx.Err() == nil {
		d.Logger.Error("webhook deliveries not forgotten", slog.Any("error", err))
	}
}

func (d *Dispatcher) stopAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, w := range d.workers {
		w.stop()
		delete(d.workers, name)
	}
}

// Replay lets a webhook begin again behind an event of the log, and returns its
// state. It gets what it got before once more, under the same ids.
func (d *Dispatcher) Replay(ctx context.Context, name string, after int64) (webhook.State, error) {
	if _, err := d.hook(name); err != nil {
		return webhook.State{}, err
	}
	if _, err := d.Log.Read(ctx, eventlog.Query{After: after, Limit: 1}); err != nil {
		return webhook.State{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.workers[name]
	if w != nil {
		w.stop()
		delete(d.workers, name)
	}
	state := webhook.State{Webhook: name, Position: after}
	err := d.Store.Save(ctx, &state, nil)
	if w != nil && d.running.Err() == nil {
		d.workers[name] = d.start(d.running, w.hook)
	}
	return state, domain.Wrap(err, "store the position of webhook %q", name)
}

// State returns how far a webhook has come; one that has not begun, because it never
// was switched on, stands at 0.
func (d *Dispatcher) State(ctx context.Context, name string) (webhook.State, error) {
	if _, err := d.hook(name); err != nil {
		return webhook.State{}, err
	}
	state, err := d.Store.State(ctx, name)
	if domain.KindOf(err) == domain.NotFound {
		return webhook.State{Webhook: name}, nil
	}
	return state, domain.Wrap(err, "read the state of webhook %q", name)
}

// Deliveries returns a page of the deliveries of a webhook.
func (d *Dispatcher) Deliveries(ctx context.Context, q webhook.Query) ([]webhook.Delivery, error) {
	if _, err := d.hook(q.Webhook); err != nil {
		return nil, err
	}
	list, err := d.Store.Deliveries(ctx, q)
	return list, domain.Wrap(err, "list deliveries")
}

// hook returns a webhook of the configuration.
func (d *Dispatcher) hook(name string) (policy.Webhook, error) {
	hook, ok := d.Snapshot().Webhook(name)
	if !ok {
		return hook, domain.E(domain.NotFound, "there is no webhook %q", name)
	}
	return hook, nil
}

func (d *Dispatcher) resolve(ctx context.Context, name, why string) {
	key := alert.Event{Kind: alert.WebhookFailing, About: name}.Key()
	if !d.Alerts.IsOpen(key) {
		return
	}
	if err := d.Alerts.Resolve(ctx, key, why); err != nil && ctx.Err() == nil {
		d.Logger.Error("alert not kept", slog.String("key", key), slog.Any("error", err))
	}
}
