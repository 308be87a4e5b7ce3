package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/mailaddr"
)

func (r *rig) report(p alert.Report) alert.Alert {
	r.t.Helper()
	a, err := r.Report(r.t.Context(), "renewal", p)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// told returns whom the outbox was to tell, those that reports named with a plus.
func (r *rig) told() (names []string) {
	for _, n := range r.outbox.got {
		name := n.Recipient.Name
		if n.Named {
			name = "+" + name
		}
		names = append(names, name)
	}
	return names
}

func TestReportOpensAnAlertAndTellsThoseItNames(t *testing.T) { // B49
	r := newRig(t)
	a := r.report(alert.Report{Subject: "No certificate", Text: "the directory is down\n", To: []string{"a@example.org", "b@example.org", "a@example.org"}})
	if a.Key() != "reported:No certificate" || a.State != alert.Open || a.Subject != "No certificate" ||
		a.Detail != "Reported by renewal.\n\nthe directory is down" || a.Pending() != 3 {
		t.Errorf("%+v", a)
	}
	if diff := cmp.Diff([]string{"operator", "+a@example.org", "+b@example.org"}, r.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if stored := r.only(); stored.ID != a.ID || stored.Pending() != 3 {
		t.Errorf("stored %+v", stored)
	}
}

// Those whom a report names hear of each one, the others at growing distances.
func TestReportsAreToldEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := alert.Report{Subject: "No certificate", To: []string{"a@example.org"}}
		r.report(p)
		time.Sleep(time.Minute)
		again := r.report(p)
		if diff := cmp.Diff([]string{"operator", "+a@example.org", "+a@example.org"}, r.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if again.Count != 2 || again.Pending() != 1 || len(again.Notices) != 1 {
			t.Errorf("%+v", again)
		}
	})
}

func TestNamedRecipientIsNotToldTwice(t *testing.T) {
	r := newRig(t)
	r.recipients[0].Address = mailaddr.Mailbox{Local: "operator", Domain: "example.org"}
	r.report(alert.Report{Subject: "s", To: []string{"operator@example.org"}})
	if diff := cmp.Diff([]string{"operator"}, r.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestReportWithNoRoomForMail(t *testing.T) {
	r := newRig(t)
	r.outbox.full = true
	a := r.report(alert.Report{Subject: "s", To: []string{"a@example.org"}})
	if a.Pending() != 0 || len(a.Notices) != 2 || a.Notices[1].State != alert.NoticeFailed {
		t.Errorf("%+v", a)
	}
}

func TestReportIsBounded(t *testing.T) {
	r := newRig(t)
	for field, p := range map[string]alert.Report{
		"/subject is required":    {Subject: " "},
		"/subject is longer":      {Subject: strings.Repeat("a", 201)},
		"/subject must not":       {Subject: "a\r\nBcc: b@example.org"},
		"/text is longer":         {Subject: "s", Text: strings.Repeat("a", 1801)},
		"/text must not":          {Subject: "s", Text: "\x00"},
		"/to may name":            {Subject: "s", To: slices.Repeat([]string{"a@example.org"}, 11)},
		"/to/1 must be":           {Subject: "s", To: []string{"a@example.org", "nobody"}},
		"/to/0 must be an addres": {Subject: "s", To: []string{"a@[192.0.2.1]"}},
	} {
		_, err := r.Report(t.Context(), "renewal", p)
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(strings.ReplaceAll(fmt.Sprint(err), ":", ""), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if len(r.all()) > 0 || r.outbox.count() > 0 {
		t.Error("a refused report raised an alert")
	}
}
