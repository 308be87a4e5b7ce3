package watch

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/alert"
	"postern/domain/alert/alerttest"
	"postern/domain/certificate"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/eventlog/eventlogtest"
	"postern/domain/policy"
)

// noNotices is told of alerts and keeps nothing.
type noNotices struct{}

func (noNotices) Notify(alert.Notification) bool { return true }

// B53: 30, 14, 7, 3, 1 days and expired: each is an event and an alert, told once
// and in place of the one before; a new certificate ends the last.
func TestExpiryWatchStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		log, ids := new(eventlogtest.Collector), 0
		service, err := alert.NewService(t.Context(), alert.Dependencies{
			Store: new(alerttest.Memory), Notifier: noNotices{}, Log: log, Now: time.Now,
			Recipients: func() []policy.AlertRecipient { return nil },
			NewID:      func() string { ids++; return "alert-" + strconv.Itoa(ids) },
		})
		if err != nil {
			t.Fatal(err)
		}
		inUse := certificate.Certificate{ID: "c1", Names: []string{"mail.example.com"}, NotAfter: time.Now().Add(31 * day)}
		condition := Expiry(func(context.Context) ([]certificate.Certificate, error) {
			return []certificate.Certificate{inUse}, nil
		}, time.Now)
		watcher := NewConditions(service, new(event.Bus), slog.New(slog.DiscardHandler), condition)
		var steps []string
		for hour := range 33 * 24 {
			if err := watcher.look(t.Context(), condition); err != nil {
				t.Fatal(err)
			}
			for _, e := range log.Take() {
				if e.Type == eventlog.CertificateExpiring && e.Subject == (eventlog.Subject{Kind: "certificate", Key: "c1"}) {
					steps = append(steps, strconv.Itoa(31*24-hour)+"h "+service.OpenKeys(alert.CertificateExpiry)[0])
				}
			}
			time.Sleep(time.Hour)
		}
		want := []string{
			"720h certificate_expiry:c1:30", "336h certificate_expiry:c1:14", "168h certificate_expiry:c1:7",
			"72h certificate_expiry:c1:3", "24h certificate_expiry:c1:1", "-1h certificate_expiry:c1:expired",
		}
		if !slices.Equal(steps, want) {
			t.Errorf("steps %q\nwant  %q", steps, want)
		}
		if open := service.OpenKeys(alert.CertificateExpiry); len(open) != 1 {
			t.Errorf("open are %q", open)
		}
		inUse = certificate.Certificate{ID: "c2", NotAfter: time.Now().Add(90 * day)}
		if err := watcher.look(t.Context(), condition); err != nil || len(service.OpenKeys(alert.CertificateExpiry)) != 0 {
			t.Errorf("%v, open are %q", err, service.OpenKeys(alert.CertificateExpiry))
		}
	})
}
