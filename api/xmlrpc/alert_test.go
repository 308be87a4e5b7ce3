package xmlrpc

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/alert"
)

var _ Reporter = (*alert.Service)(nil)

// testReporter keeps the last report.
type testReporter struct {
	author string
	report alert.Report
}

func (r *testReporter) Report(_ context.Context, author string, p alert.Report) (alert.Alert, error) {
	r.author, r.report = author, p
	if p.Subject == "" {
		return alert.Alert{}, domain.E(domain.Invalid, "no subject")
	}
	return alert.Alert{
		ID: "1", Kind: alert.Reported, About: p.Subject,
		Notices: []alert.Notice{{State: alert.NoticePending}, {State: alert.NoticeFailed}},
	}, nil
}

func TestAlertSend(t *testing.T) { // B49
	f := newFixture(t)
	manager := basic(account.RoleCertificateManager, "right")
	got := f.mustCall(t, manager, "alert.send", map[string]any{"subject": "s", "text": "t", "to": []any{"a@example.org"}})
	if diff := cmp.Diff(map[string]any{"id": "1", "key": "reported:s", "recipients": int64(1)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(alert.Report{Subject: "s", Text: "t", To: []string{"a@example.org"}}, f.reporter.report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f.reporter.author != string(account.RoleCertificateManager) {
		t.Errorf("author %q", f.reporter.author)
	}
	f.wantFault(t, 422, manager, "alert.send", "")
	f.wantFault(t, 403, basic(account.RoleViewer, "right"), "alert.send", "s")
	f.wantFault(t, 401, "", "alert.send", "s")
	f.wantFault(t, codeBadParams, manager, "alert.send", "s", "t", "a@example.org")
}
