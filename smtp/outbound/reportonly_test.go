package outbound

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"postern/domain/policy"
	"postern/domain/reportonly"
	"postern/domain/whatif"
	"postern/smtp/smtptest"
)

// counted writes down what is reported.
type counted struct {
	mu    sync.Mutex
	lines []string
}

func (c *counted) note(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

func (c *counted) Refuse(r reportonly.Rule, _, _ string) { c.note("refuse " + r.Name) }
func (c *counted) CannotTell(r reportonly.Rule)          { c.note("untold " + r.Name) }

// reporting is a destination control whose level only reports.
func reporting(t *testing.T, pattern string, level policy.TLSLevel) policy.DestinationControl {
	c := control(t, pattern, level)
	c.ReportOnly = true
	return c
}

// For every peer and level: a level that only reports changes nothing about a
// delivery, and counts what a delivery under that level does not hand over (B72).
func TestReportOnlyCountsWhatWouldBeHeldBack(t *testing.T) {
	for _, p := range tlsPeers() {
		for level := policy.TLSPreferred; level <= policy.TLSRequiredVerifyHosted; level++ {
			t.Run(fmt.Sprintf("%s/%s", level, p.name), func(t *testing.T) {
				t.Parallel()
				acting, trial, plain := newRig(t, control(t, "example.com", level)), newRig(t,
					reporting(t, "example.com", level), control(t, "default", policy.TLSPreferred)), newRig(t, control(t, "example.com", policy.TLSPreferred))
				told := new(counted)
				trial.Reports = told
				for _, r := range []*rig{acting, trial, plain} {
					r.simple(p.options(r))
				}
				got, without := trial.send("b@example.com"), plain.send("b@example.com")
				if fate(got) != fate(without) {
					t.Errorf("a level that only reports makes it %s, without it is %s", fate(got), fate(without))
				}
				var want []string
				if classOf(got).Handed() && !classOf(acting.send("b@example.com")).Handed() {
					want = []string{"refuse example.com"}
				}
				if !slices.Equal(told.lines, want) {
					t.Errorf("counted %q, want %q", told.lines, want)
				}
			})
		}
	}
}

// Where no handshake is tried, what the rule would do is not guessed.
func TestReportOnlyDoesNotGuess(t *testing.T) {
	r, told := newRig(t, reporting(t, "example.com", policy.TLSRequired)), new(counted)
	r.Reports = told
	r.simple(smtptest.MXOptions{})
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.TLS.Encrypted() || !slices.Equal(told.lines, []string{"untold example.com"}) {
		t.Errorf("%s, counted %q", classOf(a), told.lines)
	}
	if classOf(a) != whatif.Clear || !slices.ContainsFunc(a.Decision.Reasons, func(reason policy.Reason) bool {
		return reason.Asks == "report only: would have required required" && reason.OverruledBy == "report_only"
	}) {
		t.Errorf("reasons %+v", a.Decision.Reasons)
	}
}
