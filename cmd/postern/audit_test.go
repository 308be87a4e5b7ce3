package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kolo/xmlrpc"

	"postern/api/rest"
)

// B73: whatever way a call comes, it is in the audit log, and who edits the
// database file by hand is found out.
func TestAuditLogOfTheWholeGateway(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	g.must("PUT", "/domains/audited.example", `{}`)
	client, err := xmlrpc.NewClient("http://admin:"+g.token+"@"+g.APIAddr()+"/RPC2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Call("tls.set_settings", map[string]any{"retry_without_tls": true}, nil); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	right := g.token
	g.token = "pstn_wrong"
	if r := g.call("GET", "/status", ""); r.status != 401 {
		t.Fatalf("status %d", r.status)
	}
	g.token = right

	entries := string(g.must("GET", "/audit-log", "").body)
	for _, want := range []string{"replaceDomain", "tls.set_settings", "logIn", "token:first-start"} {
		if !strings.Contains(entries, want) {
			t.Errorf("%s is not in %s", want, entries)
		}
	}
	if strings.Contains(entries, right) {
		t.Error("the token is in the audit log")
	}
	v := decode[rest.AuditVerification](t, g.must("GET", "/audit-log/verification", ""))
	if !v.Intact {
		t.Fatalf("verification %+v", v)
	}
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}

	tamper(t, filepath.Join(dir, "postern.db"), "/api/v1/domains/audited.example", "/api/v1/domains/doctore.example")
	token := g.token
	g = newGateway(t, dir)
	g.token = token
	v = decode[rest.AuditVerification](t, g.must("GET", "/audit-log/verification", ""))
	if v.Intact || v.BrokenAt != 1 || v.Reason == "" {
		t.Errorf("verification %+v", v)
	}
}

// tamper writes another text of the same length over each place where one is.
func tamper(t *testing.T, path, old, other string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.ReplaceAll(data, []byte(old), []byte(other))
	if bytes.Equal(changed, data) || len(changed) != len(data) {
		t.Fatalf("%s is not in the file", old)
	}
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAdminCommandIsAudited(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	token := g.token
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(t, "correct horse battery\n", "admin", "reset-password", "--data-dir", dir); err != nil {
		t.Fatal(err)
	}
	g = newGateway(t, dir)
	g.token = token
	entries := string(g.must("GET", "/audit-log?operation=admin%20reset-password", "").body)
	if !strings.Contains(entries, "command_line") || strings.Contains(entries, "correct horse") {
		t.Errorf("entries %s", entries)
	}
}
