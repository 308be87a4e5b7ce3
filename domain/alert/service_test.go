package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/alert/alerttest"
	"postern/domain/eventlog/eventlogtest"
	"postern/domain/policy"
)

// outbox is a notifier that keeps what it is given.
type outbox struct {
	mu   sync.Mutex
	got  []alert.Notification
	full bool
}

func (o *outbox) Notify(n alert.Notification) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.full {
		o.got = append(o.got, n)
	}
	return !o.full
}

func (o *outbox) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.got)
}

type rig struct {
	*alert.Service
	t          *testing.T
	store      *alerttest.Memory
	outbox     *outbox
	log        *eventlogtest.Collector
	recipients []policy.AlertRecipient
	ids        int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, store: new(alerttest.Memory), outbox: new(outbox), log: new(eventlogtest.Collector), recipients: []policy.AlertRecipient{
		{Name: "operator", Channel: policy.ChannelMail, Enabled: true},
		{Name: "night", Channel: policy.ChannelWebhook, Enabled: true, MinSeverity: policy.SeverityCritical},
		{Name: "gone", Channel: policy.ChannelMail},
	}}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.t.Helper()
	service, err := alert.NewService(r.t.Context(), alert.Dependencies{
		Store: r.store, Notifier: r.outbox, Log: r.log, Now: time.Now,
		Recipients: func() []policy.AlertRecipient { return r.recipients },
		NewID:      func() string { r.ids++; return fmt.Sprintf("alert-%03d", r.ids) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Service = service
}

func failure(to string) alert.Event {
	return alert.Event{Kind: alert.TLSFailed, About: to, Severity: policy.SeverityWarning, Detail: "handshake"}
}

func (r *rig) raise(e alert.Event) {
	r.t.Helper()
	if err := r.Raise(r.t.Context(), e); err != nil {
		r.t.Fatal(err)
	}
}

// all returns every alert, the oldest first.
func (r *rig) all() []alert.Alert {
	r.t.Helper()
	list, err := r.List(r.t.Context(), alert.Query{Limit: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

func (r *rig) only() alert.Alert {
	r.t.Helper()
	list := r.all()
	if len(list) != 1 {
		r.t.Fatalf("%d alerts, want one: %+v", len(list), list)
	}
	return list[0]
}

// B62: with an event a minute, notifications come after 0, 5, 15, 35, 75 …
// minutes from the one before, and then daily.
func TestRepeatsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		began := time.Now()
		var at []int
		for range 6 * 24 * 60 {
			before := r.outbox.count()
			r.raise(failure("example.com"))
			if r.outbox.count() > before {
				at = append(at, int(time.Since(began).Minutes()))
			}
			time.Sleep(time.Minute)
		}
		var distances []int
		for i := 1; i < len(at); i++ {
			distances = append(distances, at[i]-at[i-1])
		}
		want := []int{5, 15, 35, 75, 155, 315, 635, 1275, 1440, 1440, 1440, 1440}
		if diff := cmp.Diff(want, distances); diff != "" {
			t.Errorf("distances in minutes (-want +got):\n%s", diff)
		}
		if a := r.only(); a.Count != 6*24*60 || a.Notified != len(at) || a.State != alert.Open {
			t.Errorf("count %d, notified %d, state %s", a.Count, a.Notified, a.State)
		}
	})
}

func TestConcurrentEventsAreOneAlert(t *testing.T) {
	r := newRig(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				r.raise(failure("example.com"))
			}
		})
	}
	all.Wait()
	if a := r.only(); a.Count != 200 || a.Key() != "tls_failed:example.com" {
		t.Errorf("count %d of %s", a.Count, a.Key())
	}
	if n := r.outbox.count(); n != 1 {
		t.Errorf("%d notifications, want one", n)
	}
}

func TestOnlySubscribersAreTold(t *testing.T) { // B62
	r := newRig(t)
	r.raise(failure("example.com"))
	r.raise(alert.Event{Kind: alert.SpoolUnhealthy, Severity: policy.SeverityCritical})
	var told []string
	for _, n := range r.outbox.got {
		told = append(told, string(n.Alert.Kind)+" to "+n.Recipient.Name)
	}
	want := []string{"tls_failed to operator", "spool_unhealthy to operator", "spool_unhealthy to night"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAlertWithoutRecipientsStaysDue(t *testing.T) {
	r := newRig(t)
	recipients := r.recipients
	r.recipients = nil
	r.raise(failure("example.com"))
	r.recipients = recipients
	r.raise(failure("example.com"))
	if n := r.outbox.count(); n != 1 {
		t.Errorf("%d notifications, want one as soon as there is a recipient", n)
	}
}

func TestResolvedAlertReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.raise(failure("example.com"))
		if err := r.Resolve(t.Context(), "tls_failed:example.com", "delivered"); err != nil {
			t.Fatal(err)
		}
		if a := r.only(); a.State != alert.Resolved || a.Resolution != "delivered" || r.IsOpen(a.Key()) {
			t.Errorf("%+v", a)
		}
		// Soon after, it is the same one, and nobody is told again.
		r.raise(failure("example.com"))
		if a := r.only(); a.State != alert.Open || a.Count != 2 || a.ResolvedAt != nil || !r.IsOpen(a.Key()) {
			t.Errorf("%+v", a)
		}
		if n := r.outbox.count(); n != 1 {
			t.Errorf("%d notifications, want one", n)
		}
		if err := r.Resolve(t.Context(), "tls_failed:example.com", "delivered"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		r.raise(failure("example.com"))
		if list := r.all(); len(list) != 2 || list[1].State != alert.Open || list[1].Count != 1 {
			t.Errorf("%+v", list)
		}
		if n := r.outbox.count(); n != 2 {
			t.Errorf("%d notifications, want two", n)
		}
	})
}

func TestAcknowledgedAndSilencedAlertsAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.raise(failure("example.com"))
		id := r.only().ID
		a, err := r.Acknowledge(t.Context(), id, "ada")
		if err != nil || a.State != alert.Acknowledged || a.AcknowledgedBy != "ada" {
			t.Fatalf("%+v, error %v", a, err)
		}
		time.Sleep(time.Hour)
		r.raise(failure("example.com"))
		if a := r.only(); a.State != alert.Acknowledged || a.Count != 2 || r.outbox.count() != 1 {
			t.Errorf("%+v, %d notifications", a, r.outbox.count())
		}
		if _, err := r.ResolveByHand(t.Context(), id, "ada"); err != nil {
			t.Fatal(err)
		}
		r.raise(failure("example.com")) // a new one: it is told
		id = r.all()[1].ID
		if r.outbox.count() != 2 {
			t.Errorf("%d notifications, want two", r.outbox.count())
		}
		if _, err := r.Silence(t.Context(), id, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		r.raise(failure("example.com"))
		if r.outbox.count() != 2 {
			t.Error("a silenced alert was told")
		}
		if _, err := r.Silence(t.Context(), id, time.Time{}); err != nil {
			t.Fatal(err)
		}
		r.raise(failure("example.com"))
		if r.outbox.count() != 3 {
			t.Error("an alert was not told after its silence")
		}
	})
}

func TestRefusedActions(t *testing.T) {
	r := newRig(t)
	r.raise(failure("example.com"))
	id := r.only().ID
	if _, err := r.Silence(t.Context(), id, time.Now().AddDate(2, 0, 0)); domain.KindOf(err) != domain.Invalid {
		t.Errorf("silence for two years: %v", err)
	}
	if _, err := r.ResolveByHand(t.Context(), id, "ada"); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func(id string) error{
		"acknowledge": func(id string) error { _, err := r.Acknowledge(t.Context(), id, "ada"); return err },
		"silence":     func(id string) error { _, err := r.Silence(t.Context(), id, time.Now().Add(time.Hour)); return err },
		"resolve":     func(id string) error { _, err := r.ResolveByHand(t.Context(), id, "ada"); return err },
	} {
		if err := act(id); domain.KindOf(err) != domain.Conflict {
			t.Errorf("%s a resolved alert: %v", name, err)
		}
		if err := act("none"); domain.KindOf(err) != domain.NotFound {
			t.Errorf("%s no alert: %v", name, err)
		}
	}
}

// An alert that cannot be stored is told all the same, and stored later.
func TestBrokenStoreKeepsNobodyFromBeingTold(t *testing.T) {
	r := newRig(t)
	r.store.Break(errors.New("the disk is full"))
	e := alert.Event{Kind: alert.SpoolUnhealthy, Severity: policy.SeverityCritical, Once: true}
	if err := r.Raise(t.Context(), e); err == nil {
		t.Error("no error")
	}
	if n := r.outbox.count(); n != 2 || !r.IsOpen("spool_unhealthy") {
		t.Errorf("%d notifications, want two", n)
	}
	r.store.Break(nil)
	if err := r.Tidy(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if a := r.only(); a.Count != 1 {
		t.Errorf("%+v", a)
	}
}

func TestRestartTakesAlertsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.raise(failure("example.com"))
		r.raise(failure("example.net"))
		for _, a := range r.all() {
			n := alert.Notice{Recipient: "operator", At: time.Now(), State: alert.NoticeSent}
			if a.About == "example.net" {
				continue // its notice is under way at the stop
			}
			if err := r.Note(t.Context(), a.ID, n); err != nil {
				t.Fatal(err)
			}
		}
		r.restart()
		if got := r.OpenKeys(alert.TLSFailed); len(got) != 2 || r.Unresolved() != 2 {
			t.Errorf("open: %v", got)
		}
		before := r.outbox.count()
		r.raise(failure("example.com"))
		if r.outbox.count() != before {
			t.Error("what was told before the restart was told again")
		}
		r.raise(failure("example.net"))
		if r.outbox.count() != before+1 {
			t.Error("a notice that was lost at the stop was not repeated")
		}
		if list := r.all(); len(list) != 2 {
			t.Errorf("%d alerts after the restart", len(list))
		}
	})
}

func TestNotices(t *testing.T) {
	r := newRig(t)
	r.raise(failure("example.com"))
	a := r.only()
	if len(a.Notices) != 1 || a.Notices[0].State != alert.NoticePending {
		t.Fatalf("%+v", a.Notices)
	}
	n := alert.Notice{Recipient: "operator", At: a.LastSeen, State: alert.NoticeFailed, Detail: "no route"}
	if err := r.Note(t.Context(), a.ID, n); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]alert.Notice{n}, r.only().Notices); diff != "" {
		t.Error(diff)
	}
	// The outcome of a notice may come after the alert is over.
	if err := r.Resolve(t.Context(), a.Key(), "gone"); err != nil {
		t.Fatal(err)
	}
	n.State = alert.NoticeSent
	if err := r.Note(t.Context(), a.ID, n); err != nil {
		t.Fatal(err)
	}
	if a := r.only(); a.State != alert.Resolved || a.Notices[0].State != alert.NoticeSent {
		t.Errorf("%+v", a)
	}
}

func TestFullNotifierIsNoted(t *testing.T) {
	r := newRig(t)
	r.outbox.full = true
	r.raise(failure("example.com"))
	if a := r.only(); a.Notices[0].State != alert.NoticeFailed {
		t.Errorf("%+v", a.Notices)
	}
}

func TestTidyForgetsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.raise(failure("example.com"))
		r.raise(failure("example.net"))
		if err := r.Resolve(t.Context(), "tls_failed:example.com", "gone"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		if err := r.Tidy(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if a := r.only(); a.About != "example.net" {
			t.Errorf("%s is left", a.About)
		}
	})
}

func TestSourcesWithoutEndAreBounded(t *testing.T) {
	r := newRig(t)
	var err error
	for i := 0; err == nil && i < 20_000; i++ {
		err = r.Raise(context.Background(), failure(fmt.Sprintf("d%d.example", i)))
	}
	if domain.KindOf(err) != domain.Exhausted || r.Unresolved() != 10_000 {
		t.Errorf("%d alerts, error %v", r.Unresolved(), err)
	}
}
