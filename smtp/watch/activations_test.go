package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/event"
)

// testSchedule answers by its function, and notes when it was asked.
type testSchedule struct {
	asked []time.Duration
	begin time.Time
	due   func(n int, failed func(certificate.Certificate, error)) (time.Time, error)
}

func (s *testSchedule) Due(_ context.Context, failed func(certificate.Certificate, error)) (time.Time, error) {
	s.asked = append(s.asked, time.Since(s.begin))
	return s.due(len(s.asked), failed)
}

// raised keeps which alerts were raised, and which of them are open.
type raised struct{ keys, open []string }

func (r *raised) Raise(_ context.Context, e alert.Event) error {
	r.keys, r.open = append(r.keys, e.Key()), append(r.open, e.Key())
	return nil
}

func (r *raised) Resolve(_ context.Context, key, _ string) error {
	r.open = slices.DeleteFunc(slices.Clone(r.open), func(k string) bool { return k == key })
	return nil
}
func (*raised) IsOpen(string) bool             { return false }
func (r *raised) OpenKeys(alert.Kind) []string { return r.open }

// B41: looked at when the next is due, when something changed, and now and then.
func TestActivations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, alerts := &event.Bus{}, &raised{}
		schedule := &testSchedule{begin: time.Now()}
		schedule.due = func(n int, failed func(certificate.Certificate, error)) (time.Time, error) {
			switch n {
			case 1:
				return schedule.begin.Add(20 * time.Second), nil
			case 2:
				failed(certificate.Certificate{ID: "c1"}, domain.E(domain.Conflict, "TLSA"))
				return time.Time{}, nil
			case 3:
				return time.Time{}, errors.New("disk")
			}
			return time.Time{}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			NewActivations(schedule, alerts, bus, slog.New(slog.DiscardHandler), time.Now).Run(ctx)
		}()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		bus.Publish(event.CertificatesChanged)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		cancel()
		<-done
		want := []time.Duration{0, 20 * time.Second, 30 * time.Second, 90 * time.Second}
		if !slices.Equal(schedule.asked, want) {
			t.Errorf("asked at %v, want %v", schedule.asked, want)
		}
		if !slices.Equal(alerts.keys, []string{"activation_failed:c1"}) {
			t.Errorf("raised %q", alerts.keys)
		}
	})
}

// An alert of a refused activation is over when a certificate is activated later,
// and not because of one that was activated before.
func TestRefusedActivationIsOverByALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, alerts := &event.Bus{}, &raised{}
		schedule := &testSchedule{begin: time.Now()}
		schedule.due = func(n int, failed func(certificate.Certificate, error)) (time.Time, error) {
			if n == 1 {
				bus.Publish(event.CertificateActivated) // of another that was due
				failed(certificate.Certificate{ID: "c1"}, domain.E(domain.Conflict, "TLSA"))
			}
			return time.Time{}, nil
		}
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			NewActivations(schedule, alerts, bus, slog.New(slog.DiscardHandler), time.Now).Run(ctx)
		}
		run(10 * time.Minute)
		if !slices.Equal(alerts.open, []string{"activation_failed:c1"}) {
			t.Errorf("open are %q", alerts.open)
		}
		time.AfterFunc(time.Second, func() { bus.Publish(event.CertificateActivated) })
		run(2 * time.Second)
		if len(alerts.open) != 0 {
			t.Errorf("open are %q", alerts.open)
		}
	})
}
