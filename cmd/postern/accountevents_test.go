package main

import (
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
