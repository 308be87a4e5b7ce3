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

type raised struct{ keys []string }

func (r *raised) Raise(_ context.Context, e alert.Event) error {
	r.keys = append(r.keys, e.Key())
	return nil
}
func (*raised) Resolve(context.Context, string, string) error { return nil }
func (*raised) IsOpen(string) bool                            { return false }
func (*raised) OpenKeys(alert.Kind) []string                  { return nil }

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
