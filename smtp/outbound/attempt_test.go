package outbound

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/smtp/smtptest"
)

// TestEveryRecipientHasAnOutcome is the promise of Deliver, however it ends, and
// for those recipients only that were asked for.
func TestEveryRecipientHasAnOutcome(t *testing.T) {
	tests := map[string]func(*rig){
		"delivered":      func(r *rig) { r.simple(smtptest.MXOptions{}) },
		"no such domain": func(*rig) {},
		"nobody answers": func(r *rig) { r.domain("example.com", "mx.example.com"); r.host("mx.example.com", "192.0.2.1", nil) },
		"dropped at RCPT": func(r *rig) {
			r.simple(smtptest.MXOptions{Actions: map[string]smtptest.Action{"RCPT": smtptest.Drop()}})
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			prepare(r)
			m := mail(t, body, "a@example.com", "b@example.com", "c@example.com")
			var got []int
			for _, result := range r.Deliver(t.Context(), m, []int{0, 2}).Results {
				got = append(got, result.Recipient)
				if result.Outcome.Code == 0 || result.Outcome.Enhanced == "" || result.Outcome.Text == "" || result.Outcome.Stage == "" {
					t.Errorf("an outcome that does not explain itself: %+v", result.Outcome)
				}
			}
			if diff := cmp.Diff([]int{0, 2}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if a := newRig(t).Deliver(t.Context(), mail(t, body), nil); len(a.Results) != 0 {
		t.Errorf("results for nobody: %+v", a.Results)
	}
}

// TestOnePathForTheRecord shows that the level of every try is recorded, for
// failures as for successes.
func TestOnePathForTheRecord(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "a.example.com", "b.example.com", "c.example.com")
	r.host("a.example.com", "192.0.2.1", nil)
	r.host("c.example.com", "192.0.2.3", smtptest.NewMX(t, smtptest.MXOptions{}))
	a := r.send("b@example.com")
	want(t, a, delivered)
	type short struct {
		Host, Address string
		Stage         delivery.Stage
	}
	var got []short
	for _, h := range a.Hosts {
		got = append(got, short{h.Host, h.Address, h.Stage})
		if h.Result == "" {
			t.Errorf("no result at %s", h.Host)
		}
	}
	expected := []short{
		{"a.example.com", "192.0.2.1:25", delivery.StageConnect},
		{"b.example.com", "", delivery.StageNames},
		{"c.example.com", "192.0.2.3:25", delivery.StageTransfer},
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Error(diff)
	}
}
