package alertmail

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"postern/domain/alert"
	"postern/domain/policy"
	"postern/smtp/reply"
)

// Bounds of the dispatcher.
const (
	maxWaiting     = 256         // notifications
	workers        = 4           // recipients told at a time
	tryTimeout     = time.Minute // of one try
	maxErrorOctets = 500
)

// pauses are those before the second try of a notification and later ones.
var pauses = [...]time.Duration{30 * time.Second, 2 * time.Minute}

// A recipient gets this many notifications at once, and then one a minute: a
// thousand destinations that fail together are no thousand letters.
const (
	burst         = 30
	afterTheBurst = time.Minute
)

// Sender makes one try to tell a recipient of an alert.
type Sender interface {
	Send(ctx context.Context, to policy.AlertRecipient, a alert.Alert) error
}

var (
	_ Sender = (*Mailer)(nil)
	_ Sender = (*Webhook)(nil)
)

// final is an error that another try will not mend.
type final struct{ error }

// Unwrap returns the error.
func (f final) Unwrap() error { return f.error }

// Recorder takes in what came of a notification.
type Recorder interface {
	Note(ctx context.Context, id string, n alert.Notice) error
}

var _ Recorder = (*alert.Service)(nil)

// job is a notification and how many tries it has had.
type job struct {
	alert.Notification
	tries int
}

// limited is whose limit the notification counts against. Recipients that
// reports name share one: their names come from outside, and whoever may report
// is not to send mail to the world in our name.
func (j job) limited() string {
	if j.Named {
		return "" // no recipient of the configuration is called so
	}
	return j.Recipient.Name
}

// Dispatcher tells recipients of alerts, a few at a time.
type Dispatcher struct {
	senders map[policy.AlertChannel]Sender
	logger  *slog.Logger
	now     func() time.Time

	waiting      chan job
	sent, failed atomic.Int64

	mu     sync.Mutex
	limits map[string]*rate.Limiter // by what job.limited returns
}

var _ alert.Notifier = (*Dispatcher)(nil)

// NewDispatcher returns a dispatcher that tells nobody until it runs.
func NewDispatcher(mail, webhook Sender, logger *slog.Logger, now func() time.Time) *Dispatcher {
	return &Dispatcher{
		senders: map[policy.AlertChannel]Sender{policy.ChannelMail: mail, policy.ChannelWebhook: webhook},
		logger:  logger, now: now,
		waiting: make(chan job, maxWaiting),
		limits:  map[string]*rate.Limiter{},
	}
}

// Notify takes a notification, unless too many wait already. It never waits.
func (d *Dispatcher) Notify(n alert.Notification) bool {
	select {
	case d.waiting <- job{Notification: n}:
		return true
	default:
		d.failed.Add(1)
		return false
	}
}

// Sent returns how many notifications arrived, Failed how many did not.
func (d *Dispatcher) Sent() int64 { return d.sent.Load() }

// Failed returns how many notifications did not arrive.
func (d *Dispatcher) Failed() int64 { return d.failed.Load() }

// Run tells recipients until the context ends, and tells the recorder what came
// of it.
func (d *Dispatcher) Run(ctx context.Context, recorder Recorder) {
	var all, retries sync.WaitGroup
	for range workers {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-d.waiting:
					d.work(ctx, recorder, j, &retries)
				}
			}
		})
	}
	all.Wait()
	retries.Wait()
}

// work makes one try. A recipient that cannot be reached does not hold up the
// others: the next try waits elsewhere.
func (d *Dispatcher) work(ctx context.Context, recorder Recorder, j job, retries *sync.WaitGroup) {
	err := d.try(ctx, j)
	_, isFinal := errors.AsType[final](err)
	switch {
	case ctx.Err() != nil: // the end of the process is no fault of the recipient
	case err != nil && !isFinal && j.tries < len(pauses):
		retries.Go(func() { d.retry(ctx, j) })
	default:
		d.record(ctx, recorder, j.Notification, err)
	}
}

func (d *Dispatcher) retry(ctx context.Context, j job) {
	if !sleep(ctx, pauses[j.tries]) {
		return
	}
	j.tries++
	select {
	case d.waiting <- j:
	case <-ctx.Done():
	}
}

// errTooMany is why a recipient is not told.
var errTooMany = errors.New("held back: the recipient got too many alerts at once; a repeat will be told")

func (d *Dispatcher) try(ctx context.Context, j job) error {
	sender, ok := d.senders[j.Recipient.Channel]
	switch {
	case !ok:
		return final{errors.New("there is no such way to tell anybody")}
	case j.tries == 0 && !d.limit(j.limited()).AllowN(d.now(), 1):
		return final{errTooMany}
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return sender.Send(ctx, j.Recipient, j.Alert)
}

func (d *Dispatcher) limit(whose string) *rate.Limiter {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.limits[whose]
	if l == nil {
		l = rate.NewLimiter(rate.Every(afterTheBurst), burst)
		d.limits[whose] = l
	}
	return l
}

// record counts, logs and notes what came of a notification. Its failure raises
// no alert: that would have to be told by the same way.
func (d *Dispatcher) record(ctx context.Context, recorder Recorder, n alert.Notification, err error) {
	notice := alert.Notice{Recipient: n.Recipient.Name, At: d.now().UTC(), State: alert.NoticeSent}
	if err == nil {
		d.sent.Add(1)
		d.logger.Info("alert told", slog.String("key", n.Alert.Key()), slog.String("recipient", n.Recipient.Name))
	} else {
		d.failed.Add(1)
		notice.State, notice.Detail = alert.NoticeFailed, reply.Quote(err.Error(), maxErrorOctets)
		d.logger.Error("alert not told", slog.String("key", n.Alert.Key()),
			slog.String("recipient", n.Recipient.Name), slog.String("error", notice.Detail))
	}
	if err := recorder.Note(ctx, n.Alert.ID, notice); err != nil {
		d.logger.Error("notice not noted", slog.String("key", n.Alert.Key()), slog.Any("error", err))
	}
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
