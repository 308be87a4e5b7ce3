package xmlrpc

import (
	"strings"
	"testing"

	"postern/domain/account"
	"postern/domain/audit"
)

func TestCallsThatChangeAreAudited(t *testing.T) {
	f := newFixture(t)
	f.mustCall(t, basic(account.RoleAdmin, "right"), "tls.get_settings")
	if len(f.audited.Log) != 0 {
		t.Errorf("reading was recorded: %+v", f.audited.Log)
	}
	f.mustCall(t, basic(account.RoleAdmin, "right"), "tls.set_settings", map[string]any{"retry_without_tls": true})
	if len(f.audited.Log) != 2 {
		t.Fatalf("entries %+v", f.audited.Log)
	}
	done := f.audited.Log[1]
	if done.Phase != audit.Finished || done.Begun != 1 || done.Actor != "admin" || done.Operation != "tls.set_settings" ||
		done.Interface != audit.XMLRPC || done.Status != 200 || done.Revision == 0 || string(done.Request) != `{"retry_without_tls":true}` {
		t.Errorf("entry %+v", done)
	}
}

func TestPrivateKeysAreNotInTheAuditLog(t *testing.T) {
	f := newFixture(t)
	_, _ = f.call(t, basic(account.RoleCertificateManager, "right"), "certificate.import_pem",
		map[string]any{"certificate": "x", "private_key": "the key"})
	if len(f.audited.Log) != 2 || strings.Contains(string(f.audited.Log[1].Request), "the key") {
		t.Errorf("entries %+v", f.audited.Log)
	}
}

func TestSessionsAreAudited(t *testing.T) {
	f := newFixture(t)
	id := f.mustCall(t, "", "session.login", map[string]any{"user": "admin", "password": "right"})
	f.mustCall(t, "", "session.logout", map[string]any{"session": id})
	var seen []string
	for _, e := range f.audited.Log {
		seen = append(seen, e.Operation+" "+string(e.Phase)+" "+e.Actor)
		if strings.Contains(string(e.Request)+string(e.After), id.(string)) {
			t.Errorf("the session id is in %+v", e)
		}
	}
	want := "session.login begun admin,session.login finished admin,session.logout begun admin,session.logout finished admin"
	if got := strings.Join(seen, ","); got != want {
		t.Errorf("got %s", got)
	}
}

func TestRefusedCallsAreAudited(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.wantFault(t, 403, basic(account.RoleViewer, "right"), "tls.set_settings", map[string]any{"enabled": true})
	}
	if len(f.audited.Log) != 1 || f.audited.Log[0].Phase != audit.Refused || f.audited.Log[0].Status != 403 {
		t.Errorf("entries %+v", f.audited.Log)
	}
}

func TestNothingHappensWithoutTheAuditLog(t *testing.T) {
	f := newFixture(t)
	f.audited.Fill(true)
	f.wantFault(t, 503, basic(account.RoleAdmin, "right"), "tls.set_settings", map[string]any{"retry_without_tls": true})
	f.wantFault(t, 503, "", "session.login", map[string]any{"user": "admin", "password": "right"})
	if settings := f.mustCall(t, basic(account.RoleAdmin, "right"), "tls.get_settings"); settings.(map[string]any)["retry_without_tls"] != false {
		t.Errorf("settings %v", settings)
	}
}
