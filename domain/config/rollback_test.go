package config_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/event"
	"postern/domain/policy"
)

// busyHistory lets others work while it is asked.
type busyHistory struct {
	*configtest.Memory
	meanwhile func()
}

// StateAt is [config.History.StateAt].
func (h *busyHistory) StateAt(ctx context.Context, number int64) ([]config.RecordedEdit, error) {
	list, err := h.Memory.StateAt(ctx, number)
	h.meanwhile()
	return list, err
}

// A roll back makes everything as it was: what another writes comes before it and
// is rolled back too, or after it and stays.
func TestRollBackIsOneStroke(t *testing.T) { // B70
	store := new(configtest.Memory)
	history := &busyHistory{Memory: store}
	s, err := config.NewService(t.Context(), config.Dependencies{
		Store: store, History: history, Certificates: configtest.Certificates{}, Sockets: configtest.Sockets{}, Bus: new(event.Bus), Now: time.Now,
	})
	if err == nil {
		err = s.Seed(t.Context(), config.Seed{HostName: "mail.example.com"})
	}
	if err != nil {
		t.Fatal(err)
	}
	configtest.Commit(t, s, control(t, "one.example", policy.TLSRequired))
	other := control(t, "other.example", policy.TLSRequired)
	var wrote atomic.Int64
	ended := make(chan error, 1)
	history.meanwhile = func() {
		go func() {
			result, err := s.Commit(context.Background(), config.Change{Edits: []config.Edit{other}})
			wrote.Store(result.Revision)
			ended <- err
		}()
		for range 10_000 { // as long as it takes one who is let
			if wrote.Load() != 0 {
				return
			}
			runtime.Gosched()
		}
	}
	back, err := s.Rollback(t.Context(), 1, config.Act{})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if undone := level(s, "other.example") == policy.TLSNone; wrote.Load() < back.Revision && !undone {
		t.Errorf("revision %d is as revision 1, but for what revision %d wrote", back.Revision, wrote.Load())
	}
}
