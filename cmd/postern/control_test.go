package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who has lost the first token gets in again, whether the gateway runs or not.
func TestCreateTokenByCommand(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	info, err := os.Stat(filepath.Join(dir, controlName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket %v, error %v", info, err)
	}
	out, err := execute(t, "", "admin", "create-token", "--data-dir", dir, "--name", "running", "--role", "viewer", "--expires-in", "1h")
	if err != nil {
		t.Fatal(err)
	}
	g.token = strings.TrimSpace(out)
	g.must("GET", "/status", "")
	if r := g.call("GET", "/audit-log", ""); r.status != http.StatusForbidden {
		t.Errorf("a viewer's token reads the audit log: %d", r.status)
	}
	if _, err := execute(t, "", "admin", "create-token", "--data-dir", dir, "--name", "running"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second token of the name: %v", err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err = execute(t, "", "admin", "create-token", "--data-dir", dir); err != nil {
		t.Fatal(err)
	}
	g = newGateway(t, dir)
	g.token = strings.TrimSpace(out)
	entries := string(g.must("GET", "/audit-log?operation=admin%20create-token", "").body)
	if strings.Contains(entries, g.token) || !strings.Contains(entries, `"target":"rescue"`) {
		t.Errorf("entries %s", entries)
	}
}

func TestResetPasswordWhileTheGatewayRuns(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	const password = "correct horse battery staple"
	if out, err := execute(t, password+"\n", "admin", "reset-password", "--data-dir", dir); err != nil || strings.Contains(out, password) {
		t.Fatalf("%v: %s", err, out)
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+g.APIAddr()+"/api/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("admin", password)
	response, err := g.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}
