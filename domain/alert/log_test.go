package alert_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/alert"
	"postern/domain/policy"
)

func (r *rig) logged() (list []string) {
	for _, e := range r.log.Take() {
		list = append(list, string(e.Type)+" "+e.Subject.Kind+" "+e.Subject.Key)
	}
	return list
}

// What changes the state of an alert is an event; repeats are not.
func TestTheLogHasTheLifeOfAnAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		step := func(do func() error, want ...string) {
			t.Helper()
			if err := do(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, r.logged()); diff != "" {
				t.Error(diff)
			}
		}
		raise := func() error { return r.Raise(t.Context(), failure("example.com")) }
		step(raise, "alert.opened alert alert-001", "tls.failed destination example.com")
		step(raise)
		step(func() error { _, err := r.Acknowledge(t.Context(), "alert-001", "anna"); return err }, "alert.acknowledged alert alert-001")
		step(func() error { return r.Resolve(t.Context(), "tls_failed:example.com", "mended") }, "alert.resolved alert alert-001")
		step(raise, "alert.opened alert alert-001", "tls.failed destination example.com")
		r.restart()
		step(raise)
		time.Sleep(time.Hour)
		step(func() error {
			return r.Raise(t.Context(), alert.Event{Kind: alert.CertificateExpiry, About: "c1:30", Severity: policy.SeverityInfo})
		}, "alert.opened alert alert-002", "certificate.expiring certificate c1")
	})
}
