package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dnsHook writes a hook that keeps records in a file: one a line, name and text.
func dnsHook(t *testing.T) (path, records string) {
	t.Helper()
	path, records = filepath.Join(t.TempDir(), "hook"), filepath.Join(t.TempDir(), "records")
	script := fmt.Sprintf("#!/bin/sh\nset -e\ncase $1 in\npresent) echo \"$2 $3\" >>%[1]s; echo \"$1 $2\" ;;\ncleanup) grep -v -F -x \"$2 $3\" %[1]s >%[1]s.new || true; mv %[1]s.new %[1]s ;;\nesac\n", records)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, records
}

// askRecords looks for the record of a name. Each look sees all records of the order.
func askRecords(file string, seen *int) func(name, token string) error {
	return func(name, _ string) error {
		all, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		*seen = max(*seen, strings.Count(string(all), "\n"))
		if !strings.Contains(string(all), "_acme-challenge."+strings.TrimPrefix(name, "*.")+". ") {
			return errors.New("there is no record")
		}
		return nil
	}
}

// B48: a wildcard and its base are proven by two records of one name, which a hook
// publishes and takes away again.
func TestACMEOrderByDNSHook(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	hook, records := dnsHook(t)
	seen := 0
	ca.ask = askRecords(records, &seen)
	g.must("PATCH", "/settings/acme?wait=5s", fmt.Sprintf(
		`{"challenge":"dns-01","alternative_names":["*.mail.example.com"],"dns_hook":{"path":%q}}`, hook))
	done := g.order()
	names := []string{"mail.example.com", "*.mail.example.com"}
	if done.State != "succeeded" || !slices.Equal(done.Result.Names, names) {
		t.Fatalf("order %+v", done)
	}
	if seen != 2 {
		t.Errorf("%d records at once, want 2", seen)
	}
	if left, err := os.ReadFile(records); err != nil || len(left) > 0 {
		t.Errorf("records are left: %q, %v", left, err)
	}
	if steps := fmt.Sprint(done.Steps); !strings.Contains(steps, "present _acme-challenge.mail.example.com.") {
		t.Errorf("the transcript lacks what the hook said: %s", steps)
	}
}

// B48: after a failure the records are gone and what waits still is given up.
func TestACMEFailureByDNSHookLeavesNothing(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	hook, records := dnsHook(t)
	seen := 0
	ca.ask, ca.refuse = askRecords(records, &seen), "mail.example.com"
	before := g.active()
	g.must("PATCH", "/settings/acme?wait=5s", fmt.Sprintf(`{"challenge":"dns-01","dns_hook":{"path":%q}}`, hook))
	if done := g.order(); done.State != "failed" || !strings.Contains(done.Problem.Detail, "the dns-01 challenge for mail.example.com failed") {
		t.Fatalf("order %+v", done)
	}
	if left, err := os.ReadFile(records); err != nil || len(left) > 0 || seen != 3 {
		t.Errorf("records are left: %q, %v; %d were seen", left, err, seen)
	}
	if ca.proven["mx.example.com"] != "deactivated" || ca.proven["smtp.example.com"] != "deactivated" {
		t.Errorf("authorizations %v", ca.proven)
	}
	if g.active().ID != before.ID {
		t.Error("the certificate is another one")
	}
}

// B48: a server that is down, or a hook that is missing, fails the job and is named.
func TestACMEDNSThatCannotBeReached(t *testing.T) {
	g, _ := acmeGateway(t, "http-01")
	for want, change := range map[string]string{
		"/nonexistent/hook cannot be run: no such file": `"dns_hook":{"path":"/nonexistent/hook"},"dns_update":{"server":""}`,
		"_acme-challenge.mail.example.com":              `"dns_hook":{"path":""},"dns_update":{"server":"127.0.0.1:1","key_name":"k","secret":"c2VjcmV0IG9mIG1vcmUgdGhhbiAxNiBvY3RldHM="}`,
	} {
		g.must("PATCH", "/settings/dns?wait=5s", `{"servers":["127.0.0.1:1"]}`)
		shown := g.must("PATCH", "/settings/acme?wait=5s", `{"challenge":"dns-01",`+change+`}`)
		if strings.Contains(string(shown.body), "c2VjcmV0") {
			t.Errorf("the secret is shown: %s", shown.body)
		}
		if done := g.order(); done.State != "failed" || !strings.Contains(done.Problem.Detail, want) {
			t.Errorf("order %+v, want %q", done, want)
		}
	}
}

// B48: bad settings are refused with the part that is bad.
func TestACMEDNSSettingsAreJudged(t *testing.T) {
	g := newGateway(t, t.TempDir())
	update := `"dns_update":{"server":"192.0.2.53:53","key_name":"k","secret":"c2VjcmV0IG9mIG1vcmUgdGhhbiAxNiBvY3RldHM="}`
	for body, pointer := range map[string]string{
		`{"alternative_names":["*.example.com"]}`:               "/alternative_names/0",
		`{"alternative_names":["*.com"]}`:                       "/alternative_names/0",
		`{"challenge":"dns-01"}`:                                "/dns_update/server",
		`{"challenge":"dns-01","dns_hook":{"path":"bin/hook"}}`: "/dns_hook/path",
		`{"challenge":"dns-01","dns_update":{"server":"192.0.2.53:53","key_name":"k","secret":"no base"}}`: "/dns_update/secret",
		`{"dns_update":{"algorithm":"hmac-md5"}}`:                                                          "/dns_update/algorithm",
	} {
		r := g.call("PATCH", "/settings/acme", body)
		if r.status != 422 || !strings.Contains(string(r.body), `"`+pointer+`"`) {
			t.Errorf("%s: %d %s, want %s", body, r.status, r.body, pointer)
		}
	}
	g.must("PATCH", "/settings/acme", `{"challenge":"dns-01",`+update+`}`)
	// A stored secret is not turned to another server by who does not know it.
	if r := g.call("PATCH", "/settings/acme", `{"dns_update":{"server":"203.0.113.1:53"}}`); r.status != 422 {
		t.Errorf("another server without the secret: %d %s", r.status, r.body)
	}
	var shown struct {
		DNSUpdate struct {
			Set    bool   `json:"secret_set"`
			Secret string `json:"secret"`
		} `json:"dns_update"`
	}
	if err := json.Unmarshal(g.must("PATCH", "/settings/acme", `{"reuse_key":true}`).body, &shown); err != nil || !shown.DNSUpdate.Set || shown.DNSUpdate.Secret != "" {
		t.Errorf("shown %+v, %v", shown, err)
	}
}

// B48: an order that somebody cancelled is not begun anew by the schedule; contacts that
// changed are told to the authority (RFC 8555 §7.3.2).
func TestACMECancelledOrderIsNotBegunAnew(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	if done := g.order(); done.State != "succeeded" {
		t.Fatalf("order %+v", done)
	}
	asked, release := make(chan struct{}), make(chan struct{})
	ca.ask = func(string, string) error { close(asked); <-release; return nil }
	g.must("PATCH", "/settings/acme?wait=5s", `{"enabled":true,"contacts":["new@example.com"],"alternative_names":[]}`)
	begun := decode[orderJob](t, g.must("POST", "/acme/orders", ""))
	<-asked
	g.must("POST", "/jobs/"+begun.ID+"/cancel", "")
	close(release)
	if done := decode[orderJob](t, g.must("GET", "/jobs/"+begun.ID+"?wait=30s", "")); done.State != "cancelled" {
		t.Fatalf("order %+v", done)
	}
	if err := g.acme.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := decode[struct{ Items []orderJob }](t, g.must("GET", "/acme/orders", ""))
	if len(list.Items) != 2 {
		t.Errorf("%d orders", len(list.Items))
	}
	if !strings.Contains(ca.contact, "mailto:new@example.com") {
		t.Errorf("contact %s", ca.contact)
	}
}
