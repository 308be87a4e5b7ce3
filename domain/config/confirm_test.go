package config_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/event"
	"postern/domain/policy"
)

// clockedService returns a seeded service on the store that reads the clock of the
// bubble.
func clockedService(t *testing.T, store *configtest.Memory) *config.Service {
	t.Helper()
	return clockedServiceWith(t, store, "good")
}

// clockedServiceWith is clockedService with the id of the active certificate.
func clockedServiceWith(t *testing.T, store *configtest.Memory, active string) *config.Service {
	t.Helper()
	s, err := config.NewService(t.Context(), config.Dependencies{
		Store: store, History: store, Certificates: configtest.Certificates{Active: active},
		Sockets: configtest.Sockets{}, Bus: new(event.Bus), Now: time.Now,
	})
	if err == nil {
		err = s.Seed(t.Context(), config.Seed{HostName: "mail.example.com"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follow runs the loop that takes back what is not confirmed.
func follow(t *testing.T, s *config.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.FollowConfirmations(ctx, func(err error) { t.Log(err) })
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

func within(t *testing.T, s *config.Service, d time.Duration, edits ...config.Edit) int64 {
	t.Helper()
	result, err := s.Commit(t.Context(), config.Change{Author: "ada", Edits: edits, ConfirmWithin: d})
	if err != nil {
		t.Fatal(err)
	}
	return result.Revision
}

func revision(t *testing.T, s *config.Service, number int64) config.Revision {
	t.Helper()
	r, err := s.Revision(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// passes lets the time of the bubble pass, and everything that it wakes.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestUnconfirmedRevisionIsTakenBack(t *testing.T) { // B70
	synctest.Test(t, func(t *testing.T) {
		s := clockedService(t, new(configtest.Memory))
		follow(t, s)
		number := within(t, s, time.Minute, control(t, "example.com", policy.TLSRequired))
		passes(59 * time.Second)
		if p := s.Status().Pending; p == nil || p.Revision != number || level(s, "example.com") != policy.TLSRequired {
			t.Fatalf("before its time is up: pending %+v, level %s", p, level(s, "example.com"))
		}
		passes(2 * time.Second)
		if level(s, "example.com") != policy.TLSNone || s.Pending() != nil {
			t.Fatalf("level %s, pending %+v", level(s, "example.com"), s.Pending())
		}
		back, was := revision(t, s, number+1), revision(t, s, number)
		if back.Author != config.ServiceAuthor || back.Reverts != number || !strings.Contains(back.Comment, "not confirmed") {
			t.Errorf("%+v", back)
		}
		if was.Confirmation.State != config.ConfirmationReverted || was.Confirmation.RevertedIn != back.Number {
			t.Errorf("%+v", was.Confirmation)
		}
		_, err := s.Confirm(t.Context(), number, "ada")
		wantKind(t, "too late", err, domain.Conflict)
		if !strings.Contains(err.Error(), "revision 3 took it back") {
			t.Errorf("%v does not say in which revision", err)
		}
	})
}

func TestConfirmedRevisionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clockedService(t, new(configtest.Memory))
		follow(t, s)
		number := within(t, s, time.Minute, control(t, "example.com", policy.TLSRequired))
		for range 2 { // repeating it does nothing
			if r, err := s.Confirm(t.Context(), number, "grace"); err != nil || r.Confirmation.SettledBy != "grace" {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		passes(time.Hour)
		if level(s, "example.com") != policy.TLSRequired || s.Snapshot().Revision != number {
			t.Error("a confirmed revision was taken back")
		}
		_, err := s.Confirm(t.Context(), 1, "grace")
		wantKind(t, "what needs no confirmation", err, domain.Conflict)
		_, err = s.Confirm(t.Context(), 99, "grace")
		wantKind(t, "no revision", err, domain.NotFound)
	})
}

// The deadline survives the end of the process: whoever starts on the same store
// takes the revision back before anything is served.
func TestDeadlineSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(configtest.Memory)
		number := within(t, clockedService(t, store), time.Minute, control(t, "example.com", policy.TLSRequired))
		passes(30 * time.Second)
		early := clockedService(t, store)
		if p := early.Pending(); p == nil || p.Revision != number {
			t.Fatalf("after a restart nothing is pending: %+v", p)
		}
		if err := early.RevertOverdue(t.Context()); err != nil || level(early, "example.com") != policy.TLSRequired {
			t.Errorf("taken back too early (%v)", err)
		}
		passes(time.Hour)
		late := clockedService(t, store)
		if err := late.RevertOverdue(t.Context()); err != nil || level(late, "example.com") != policy.TLSNone {
			t.Errorf("not taken back: %v", err)
		}
	})
}

func TestOnlyOneRevisionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clockedService(t, new(configtest.Memory))
		within(t, s, time.Minute, control(t, "one.example", policy.TLSRequired))
		for d, want := range map[time.Duration]domain.Kind{
			time.Minute: domain.Conflict, time.Second: domain.Invalid, 25 * time.Hour: domain.Invalid, -time.Minute: domain.Invalid,
		} {
			_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{control(t, "two.example", policy.TLSRequired)}, ConfirmWithin: d})
			wantKind(t, d.String(), err, want)
		}
		configtest.Commit(t, s, control(t, "two.example", policy.TLSRequired)) // a plain one does not wait
	})
}

// What others changed since is left alone, and named.
func TestLaterChangesOutliveTheRevert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clockedService(t, new(configtest.Memory))
		within(t, s, time.Minute, control(t, "one.example", policy.TLSRequired), control(t, "two.example", policy.TLSRequired))
		configtest.Commit(t, s, control(t, "two.example", policy.TLSRequiredVerify))
		passes(time.Minute)
		if err := s.RevertOverdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if level(s, "one.example") != policy.TLSNone || level(s, "two.example") != policy.TLSRequiredVerify {
			t.Errorf("one %s, two %s", level(s, "one.example"), level(s, "two.example"))
		}
		if r := revision(t, s, 4); !strings.Contains(r.Comment, `destination control "two.example"`) || strings.Contains(r.Comment, "one.example") {
			t.Errorf("the comment is %q", r.Comment)
		}
	})
}

// Where everything was changed since, the revision is settled all the same.
func TestNothingIsLeftToTakeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clockedService(t, new(configtest.Memory))
		number := within(t, s, time.Minute, control(t, "one.example", policy.TLSRequired))
		configtest.Commit(t, s, control(t, "one.example", policy.TLSRequiredVerify))
		passes(time.Minute)
		if err := s.RevertOverdue(t.Context()); err != nil || s.Pending() != nil {
			t.Fatalf("pending %+v, %v", s.Pending(), err)
		}
		if revision(t, s, number).Confirmation.RevertedIn != 4 || level(s, "one.example") != policy.TLSRequiredVerify {
			t.Errorf("%+v", revision(t, s, number).Confirmation)
		}
	})
}

// A later change that builds on the unconfirmed one goes with it: what stands is
// a state that held together.
func TestRevertPullsDownWhatBuildsOnIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clockedService(t, new(configtest.Memory))
		partners := policy.MailFlowPolicy{Name: "PARTNERS", Action: policy.ActionAccept}
		within(t, s, time.Minute, config.Edit{Kind: config.KindMailFlowPolicy, Key: "PARTNERS", Value: partners})
		table, _ := s.Snapshot().HostAccessTable("inbound")
		table.Groups[0].Policy = "PARTNERS"
		configtest.Commit(t, s, config.Edit{Kind: config.KindHostAccessTable, Key: "inbound", Value: table})
		passes(time.Minute)
		if err := s.RevertOverdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Preview(t.Context(), config.Change{Edits: []config.Edit{{Kind: config.KindMailFlowPolicy, Key: "PARTNERS", Value: partners}}}); err != nil {
			t.Error(err)
		}
		if r := revision(t, s, 4); len(r.Edits) != 2 || !strings.Contains(r.Comment, "as at revision 1") {
			t.Errorf("%q with %d edits", r.Comment, len(r.Edits))
		}
	})
}

// A revert that the store refuses is tried again.
func TestFailedRevertIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(configtest.Memory)
		s := clockedService(t, store)
		within(t, s, time.Minute, control(t, "example.com", policy.TLSRequired))
		store.FailNext(errors.New("disk full"))
		follow(t, s)
		passes(61 * time.Second)
		if level(s, "example.com") != policy.TLSRequired || s.Pending() == nil {
			t.Fatal("the store refused, and yet the revision was taken back")
		}
		passes(time.Minute)
		if level(s, "example.com") != policy.TLSNone {
			t.Error("it was not tried again")
		}
	})
}

func TestPreviewOfARollback(t *testing.T) {
	s, store := configtest.Seeded(t)
	configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired))
	before := store.Documents()
	p, err := s.PreviewRollback(t.Context(), 1)
	if err != nil || len(p.Edits) != 1 || p.Edits[0].After != nil || len(store.Documents()) != len(before) {
		t.Errorf("%+v, %v", p.Edits, err)
	}
	_, err = s.PreviewRollback(t.Context(), 9)
	wantKind(t, "no revision", err, domain.NotFound)
}

// A certificate that expired meanwhile is no reason to leave TLS off for good.
func TestAnExpiredCertificateDoesNotKeepTheUnconfirmed(t *testing.T) { // B70
	synctest.Test(t, func(t *testing.T) {
		store := new(configtest.Memory)
		s := clockedService(t, store)
		tls := config.Edit{Kind: config.KindSettings, Key: config.SectionTLS, Value: policy.TLSSettings{Enabled: true, MinVersion: 0x0303}}
		configtest.Commit(t, s, tls)
		tls.Value = policy.TLSSettings{MinVersion: 0x0303}
		within(t, s, time.Minute, tls)
		passes(time.Hour)
		late := clockedServiceWith(t, store, "expired")
		if err := late.RevertOverdue(t.Context()); err != nil || !late.Snapshot().Settings.TLS.Enabled || late.Pending() != nil {
			t.Errorf("TLS is on: %t, error %v", late.Snapshot().Settings.TLS.Enabled, err)
		}
		_, err := late.Rollback(t.Context(), 3, config.Act{}) // off
		if err == nil {
			_, err = late.Rollback(t.Context(), 2, config.Act{}) // on
		}
		wantKind(t, "switching on by a roll back", err, domain.Invalid) // B1
	})
}
