package alert

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/policy"
)

// maxLive bounds the alerts that are not over: destinations come from outside.
const maxLive = 10_000

// Dependencies is what a [Service] is built on. All fields are required.
type Dependencies struct {
	Store    Store
	Notifier Notifier
	Log      Log
	// Recipients returns who is to hear of alerts, by the newest configuration.
	Recipients func() []policy.AlertRecipient
	Now        func() time.Time
	// NewID returns a text id that sorts after all ids it returned before.
	NewID func() string
}

// Service raises alerts and looks after them. It is safe for concurrent use.
//
// Alerts that are not over are in memory, and that is what decides: a disk that
// cannot be written, an alert itself, keeps nobody from being told of it.
type Service struct {
	Dependencies

	writing sync.Mutex      // held while alerts change, disk included
	live    map[string]live // by key, those that are not over

	open sync.Map // keys of those that are not resolved; read without waiting
}

// live is an alert in memory.
type live struct {
	Alert
	saved bool // as it stands here
}

// NewService returns a service that takes up the alerts of the store.
func NewService(ctx context.Context, d Dependencies) (*Service, error) {
	s := &Service{Dependencies: d, live: map[string]live{}}
	known, err := d.Store.List(ctx, Query{Unresolved: true, Limit: maxLive})
	for _, a := range known {
		s.remember(live{a.interrupted(), true})
	}
	return s, domain.Wrap(err, "load the alerts")
}

// Raise takes in an event: it opens an alert, or counts as a repeat of one, and
// tells the recipients where that is due. An error says that the alert is not
// stored; those who are to be told are told all the same.
func (s *Service) Raise(ctx context.Context, e Event) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.raise(ctx, e, nil)
	return err
}

// raise is Raise, which also tells those who are named, if any: each time, and
// whatever the distance to the time before.
func (s *Service) raise(ctx context.Context, e Event, named []policy.AlertRecipient) (Alert, error) {
	now := s.Now().UTC()
	a, known := s.live[e.Key()]
	switch {
	case known && a.over(now), !known && len(s.live) < maxLive:
		a = live{Alert: Alert{ID: s.NewID()}}
	case !known:
		return Alert{}, domain.E(domain.Exhausted, "%d alerts wait to be resolved: %s is not raised", maxLive, e.Key())
	case e.Once && a.State != Resolved && a.saved:
		return a.Alert, nil
	}
	a.Alert = a.raise(e, now)
	if a.due(now) {
		a.Alert = s.notify(a.Alert, now)
	}
	if len(named) > 0 {
		a.Alert = s.notifyNamed(a.Alert, named, now)
	}
	return a.Alert, s.keep(ctx, a.Alert)
}

// notify tells everyone who wants to know. An alert that nobody wants to know
// of stays due.
func (s *Service) notify(a Alert, now time.Time) Alert {
	var to []policy.AlertRecipient
	for _, r := range s.Recipients() {
		if r.Wants(a.Type, a.Severity) {
			to = append(to, r)
		}
	}
	if len(to) == 0 {
		return a
	}
	a = a.notifying(to, now)
	for _, r := range to {
		if !s.Notifier.Notify(Notification{Alert: a, Recipient: r}) {
			a = a.noted(Notice{Recipient: r.Name, At: now, State: NoticeFailed, Detail: "too many notifications wait"})
		}
	}
	return a
}

// keep remembers the alert and stores it.
func (s *Service) keep(ctx context.Context, a Alert) error {
	err := s.Store.Save(ctx, a)
	if known := s.live[a.Key()]; known.ID == a.ID {
		s.tell(known.State, a, s.Now())
	} else {
		s.tell("", a, s.Now())
	}
	s.remember(live{a, err == nil})
	return domain.Wrap(err, "store alert %s", a.Key())
}

func (s *Service) remember(a live) {
	if a.State == Resolved {
		s.open.Delete(a.Key())
	} else {
		s.open.Store(a.Key(), struct{}{})
	}
	s.live[a.Key()] = a
}

// IsOpen reports whether an alert of the key is not resolved. It never waits.
func (s *Service) IsOpen(key string) bool {
	_, open := s.open.Load(key)
	return open
}

// OpenKeys returns the keys of the alerts of a kind that are not resolved.
func (s *Service) OpenKeys(k Kind) []string {
	var keys []string
	for key := range s.open.Range {
		if text := key.(string); text == string(k) || strings.HasPrefix(text, string(k)+":") {
			keys = append(keys, text)
		}
	}
	slices.Sort(keys)
	return keys
}

// Unresolved returns how many alerts are not resolved.
func (s *Service) Unresolved() int {
	n := 0
	for range s.open.Range {
		n++
	}
	return n
}

// Resolve ends the alert of the key, for the reason, because its cause is gone.
// Where there is none it does nothing.
func (s *Service) Resolve(ctx context.Context, key, reason string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	a, known := s.live[key]
	if !known || a.State == Resolved {
		return nil
	}
	return s.keep(ctx, a.resolved(reason, s.Now().UTC()))
}

// Note takes in what came of a notification.
func (s *Service) Note(ctx context.Context, id string, n Notice) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	a, err := s.find(ctx, id)
	if err != nil {
		return domain.Wrap(err, "note what came of a notification")
	}
	return s.keepFound(ctx, a.noted(n))
}

// find returns an alert as it stands.
func (s *Service) find(ctx context.Context, id string) (Alert, error) {
	for _, a := range s.live {
		if a.ID == id {
			return a.Alert, nil
		}
	}
	return s.Store.Get(ctx, id)
}

// keepFound is keep for an alert that may be over: a younger one of its key is
// not forgotten for it.
func (s *Service) keepFound(ctx context.Context, a Alert) error {
	if s.live[a.Key()].ID != a.ID {
		return domain.Wrap(s.Store.Save(ctx, a), "store alert %s", a.Key())
	}
	return s.keep(ctx, a)
}

// Tidy forgets what is over, and stores what could not be stored before. It is
// to be called now and then.
func (s *Service) Tidy(ctx context.Context, retention time.Duration) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.Now()
	maps.DeleteFunc(s.live, func(_ string, a live) bool { return a.saved && a.over(now) })
	for _, a := range s.live {
		if a.saved {
			continue
		}
		if err := s.keep(ctx, a.Alert); err != nil {
			return err
		}
	}
	return domain.Wrap(s.Store.Prune(ctx, now.Add(-retention)), "forget old alerts")
}
