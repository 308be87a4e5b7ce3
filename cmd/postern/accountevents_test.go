package main

import (
	"strings"
	"testing"
	"time"

	"postern/domain/account"
)

func TestDraftsAndConfirmationsAreInTheLog(t *testing.T) {
	g := newGateway(t, t.TempDir())
	begun := g.newestEvent()
	draft := func() string { return decode[struct{ ID string }](t, g.must("POST", "/changes", `{"comment":"c"}`)).ID }
	kept, dropped := draft(), draft()
	if e := g.eventAfter(begun, "draft.opened"); e.Subject.Key != kept || e.Data["comment"] != "c" {
		t.Errorf("%+v", e)
	}
	g.must("POST", "/changes/"+dropped+"/discard", "")
	if e := g.eventAfter(begun, "draft.discarded"); e.Subject.Key != dropped {
		t.Errorf("%+v", e)
	}
	g.must("PUT", "/routes/example.org?change="+kept, `{"next_hops":[{"host":"192.0.2.1"}]}`)
	g.must("POST", "/changes/"+kept+"/commit?confirm_within=60s", "")
	committed := g.eventAfter(begun, "draft.committed")
	if committed.Subject.Key != kept || committed.Data["revision"] == nil {
		t.Errorf("%+v", committed)
	}
	number := g.eventAfter(begun, "configuration.committed").Subject.Key
	g.must("POST", "/revisions/"+number+"/confirm", "")
	if e := g.eventAfter(begun, "configuration.confirmed"); e.Subject.Key != number || e.Data["confirmed_by"] == "" {
		t.Errorf("%+v", e)
	}
	g.must("PUT", "/routes/example.net?confirm_within=5s", `{"next_hops":[{"host":"192.0.2.1"}]}`)
	if e := g.eventAfter(begun, "configuration.reverted"); e.Data["reverted_in"] == nil {
		t.Errorf("%+v", e)
	}
}

func TestAccountsAreInTheLog(t *testing.T) {
	g := newGateway(t, t.TempDir())
	begun := g.newestEvent()
	g.must("PUT", "/administrators/olga", `{"role":"operator"}`)
	if e := g.eventAfter(begun, "administrator.created"); e.Subject.Key != "olga" || e.Data["role"] != "operator" {
		t.Errorf("%+v", e)
	}
	g.must("PUT", "/administrators/olga", `{"role":"viewer"}`)
	if e := g.eventAfter(begun, "administrator.changed"); e.Data["role"] != "viewer" {
		t.Errorf("%+v", e)
	}
	g.must("DELETE", "/administrators/olga", "")
	g.eventAfter(begun, "administrator.deleted")

	// A token of `postern admin` is one like any other.
	work := adminWork{Command: "create-token", Name: "rescue", Role: account.RoleAdmin, ExpiresIn: time.Hour}
	if _, err := work.change(t.Context(), g.accounts); err != nil {
		t.Fatal(err)
	}
	if e := g.eventAfter(begun, "token.created"); e.Data["name"] != "rescue" || e.Data["created_by"] != "postern admin" {
		t.Errorf("%+v", e)
	}
}

// What is done to accounts where no API sees it is in the log: by the first start, and
// by `postern admin` on a directory that no gateway has open.
func TestAccountsAreInTheLogWithoutTheAPI(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	if e := g.eventAfter(0, "administrator.created"); e.Subject.Key != "admin" || e.Data["role"] != "admin" {
		t.Errorf("first start: %+v", e)
	}
	first := g.eventAfter(0, "token.created")
	if first.Data["role"] != "admin" {
		t.Errorf("first start: %+v", first)
	}
	begun := g.newestEvent()
	token := g.token
	g.stop()

	const password = "correct horse battery staple"
	if out, err := execute(t, password+"\n", "admin", "reset-password", "--data-dir", dir); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := execute(t, "", "admin", "create-token", "--name", "spare", "--role", "operator", "--data-dir", dir)
	if err != nil || !strings.HasPrefix(secret, "pstn_") {
		t.Fatalf("%v: %s", err, secret)
	}

	g = newGateway(t, dir)
	g.token = token
	if e := g.eventAfter(begun, "administrator.changed"); e.Subject.Key != "admin" || len(e.Data) != 2 {
		t.Errorf("reset-password: %+v", e) // role and disabled, and nothing of the password
	}
	made := g.eventAfter(begun, "token.created")
	if made.Data["name"] != "spare" || made.Data["role"] != "operator" || made.Data["created_by"] != "postern admin" {
		t.Errorf("create-token: %+v", made)
	}
	kept := string(g.must("GET", "/events?limit=1000", "").body)
	for _, hidden := range []string{password, strings.TrimSpace(secret), token} {
		if strings.Contains(kept, hidden) {
			t.Error("a secret is in the log of events")
		}
	}
	// A second start makes nobody.
	if n := strings.Count(kept, `"administrator.created"`); n != 1 {
		t.Errorf("%d administrators were made", n)
	}
	g.token = strings.TrimSpace(secret)
	g.must("GET", "/status", "")
}
