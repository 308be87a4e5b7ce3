package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/domain/audit"
)

// auditOf returns the entries of an operation, newest first.
func (f *fixture) auditOf(operation string) []AuditEntry {
	f.t.Helper()
	return decoded[Page[AuditEntry]](f.call("GET", basePath+"/audit-log?operation="+operation, "").want(200)).Items
}

func TestWritesAreAudited(t *testing.T) {
	f := newFixture(t)
	f.call("PATCH", basePath+"/settings/tls", `{"retry_without_tls":true}`, "X-Request-Id", "mine").want(200)
	entries := f.auditOf("patchTLSSettings")
	if len(entries) != 2 {
		t.Fatalf("entries %+v", entries)
	}
	done, begun := entries[0], entries[1]
	if begun.Phase != audit.Begun || begun.Actor != "test-admin" || begun.SourceAddress != "127.0.0.1" ||
		begun.RequestID != "mine" || begun.Target != basePath+"/settings/tls" || begun.Status != 0 {
		t.Errorf("begun %+v", begun)
	}
	if done.Phase != audit.Finished || done.Begun != begun.Number || done.Status != 200 || done.Revision == 0 {
		t.Errorf("finished %+v", done)
	}
	if string(done.Request) != `{"retry_without_tls":true}` ||
		!strings.Contains(string(done.Before), `"retry_without_tls":false`) || !strings.Contains(string(done.After), `"retry_without_tls":true`) {
		t.Errorf("request %s, before %s, after %s", done.Request, done.Before, done.After)
	}
	if v := decoded[AuditVerification](f.call("GET", basePath+"/audit-log/verification", "").want(200)); !v.Intact || v.Entries == 0 {
		t.Errorf("verification %+v", v)
	}
}

func TestCreateAndDeleteAreAudited(t *testing.T) {
	f := newFixture(t)
	made := decoded[NewToken](f.call("POST", basePath+"/tokens", `{"name":"script","role":"viewer"}`).want(201))
	f.call("DELETE", basePath+"/tokens/"+made.ID, "").want(204)
	created, deleted := f.auditOf("createToken")[0], f.auditOf("deleteToken")[0]
	if !strings.Contains(string(created.After), `"name":"script"`) || strings.Contains(string(created.After), "pstn_") || created.Before != nil {
		t.Errorf("created: before %s, after %s", created.Before, created.After)
	}
	if !strings.Contains(string(deleted.Before), `"name":"script"`) || deleted.After != nil || deleted.Status != 204 {
		t.Errorf("deleted: %+v", deleted)
	}
}

func TestPasswordsAreNotInTheAuditLog(t *testing.T) {
	f := newFixture(t)
	const password = "correct horse battery"
	f.call("PUT", basePath+"/administrators/test-viewer/password", fmt.Sprintf(`{"password":%q}`, password)).want(204)
	done := f.auditOf("setAdministratorPassword")[0]
	if string(done.Request) != `{"password":"[redacted]"}` || !strings.Contains(string(done.After), `"has_password":true`) {
		t.Errorf("entry %+v", done)
	}
	if body := f.call("GET", basePath+"/audit-log", "").body; strings.Contains(string(body), password) {
		t.Error("the password is in the audit log")
	}
}

func TestFailedWritesAreAuditedToo(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", basePath+"/routes/example.com", `{"next_hops":[]}`).want(422)
	if done := f.auditOf("replaceRoute")[0]; done.Status != 422 || done.Revision != 0 || string(done.Request) != `{"next_hops":[]}` || done.After != nil {
		t.Errorf("entry %+v", done)
	}
	f.callAs("viewer", "DELETE", basePath+"/routes/example.com", "").want(403)
	if refused := f.auditOf("deleteRoute"); len(refused) != 1 || refused[0].Phase != audit.Refused || refused[0].Actor != "test-viewer" {
		t.Errorf("entries %+v", refused)
	}
}

func TestReadingOfViewersIsNotAudited(t *testing.T) {
	f := newFixture(t)
	f.call("GET", basePath+"/settings/tls", "").want(200)
	if entries := f.auditOf("getTLSSettings"); len(entries) != 0 {
		t.Errorf("entries %+v", entries)
	}
	f.auditOf("anything")
	if entries := f.auditOf("listAuditLog"); len(entries) < 2 {
		t.Error("reading the audit log is not recorded")
	}
}

func TestNothingChangesWithoutTheAuditLog(t *testing.T) {
	f := newFixture(t)
	before := f.call("GET", basePath+"/settings/tls", "").want(200).etag()
	f.audited.Fill(true)
	f.call("PATCH", basePath+"/settings/tls", `{"retry_without_tls":true}`).want(http.StatusServiceUnavailable)
	f.call("GET", basePath+"/audit-log", "").want(http.StatusServiceUnavailable) // reveals
	if after := f.call("GET", basePath+"/settings/tls", "").want(200).etag(); after != before {
		t.Error("the settings changed")
	}
}

// That the log is broken can be read when nothing can be written into it.
func TestVerificationNeedsNoEntry(t *testing.T) {
	f := newFixture(t)
	f.call("PATCH", basePath+"/settings/tls", `{"retry_without_tls":true}`).want(200)
	f.audited.Log = f.audited.Log[1:]
	f.audited.Fill(true)
	if v := decoded[AuditVerification](f.call("GET", basePath+"/audit-log/verification", "").want(200)); v.Intact || v.BrokenAt != 1 {
		t.Errorf("verification %+v", v)
	}
	f.callAs("operator", "GET", basePath+"/audit-log/verification", "").want(403)
}

func TestAuditLogIsFilteredAndPaged(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		f.call("POST", basePath+"/tokens", `{"name":"`+name+`","role":"viewer"}`).want(201)
	}
	const list = basePath + "/audit-log?operation=createToken&phase=finished&limit=2"
	first := decoded[Page[AuditEntry]](f.call("GET", list, "").want(200))
	f.call("POST", basePath+"/tokens", `{"name":"d","role":"viewer"}`).want(201) // between the pages
	second := decoded[Page[AuditEntry]](f.call("GET", list+"&cursor="+first.NextCursor, "").want(200))
	if len(first.Items) != 2 || len(second.Items) != 1 || second.Items[0].Number >= first.Items[1].Number {
		t.Errorf("pages %+v and %+v", first, second)
	}
	for _, query := range []string{"phase=past", "since=yesterday", "until=x", "cursor=x", "sort=actor"} {
		f.call("GET", basePath+"/audit-log?"+query, "").want(400)
	}
	const oldest = basePath + "/audit-log?operation=createToken&phase=finished&limit=2&sort=number"
	first = decoded[Page[AuditEntry]](f.call("GET", oldest, "").want(200))
	second = decoded[Page[AuditEntry]](f.call("GET", oldest+"&cursor="+first.NextCursor, "").want(200))
	if len(second.Items) != 2 || first.Items[0].Number >= first.Items[1].Number || first.Items[1].Number >= second.Items[0].Number {
		t.Errorf("oldest first: pages %+v and %+v", first, second)
	}
	f.call("GET", basePath+"/audit-log?operation=createToken&phase=finished&limit=2&sort=-number&cursor="+first.NextCursor, "").want(400)
	if none := f.auditOf("createToken&until=2000-01-01T00:00:00Z"); len(none) != 0 {
		t.Errorf("entries %+v", none)
	}
}
