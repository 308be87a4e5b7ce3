package rest

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

const partner = "/api/v1/destination-controls/partner.example"

// openDraft opens a draft and returns its path and the query that names it.
func (f *fixture) openDraft(comment string) (path, query string) {
	f.t.Helper()
	a := f.call("POST", "/api/v1/changes", `{"comment":`+string(mustJSON(comment))+`}`).want(http.StatusCreated)
	draft := decoded[Change](a)
	if a.header.Get("Location") != "/api/v1/changes/"+draft.ID || a.etag() == "" {
		f.t.Errorf("Location %q, ETag %q", a.header.Get("Location"), a.etag())
	}
	return "/api/v1/changes/" + draft.ID, "?change=" + draft.ID
}

func TestDraftFromOpeningToCommit(t *testing.T) { // B69
	f := newFixture(t)
	path, in := f.openDraft("partners move to TLS")
	a := f.call("PUT", partner+in, `{"tls_level":"required"}`).want(http.StatusCreated)
	if a.header.Get(headerCommitted) != "1" || a.etag() == "" {
		t.Errorf("committed %s, ETag %s", a.header.Get(headerCommitted), a.etag())
	}
	f.call("GET", partner, "").want(http.StatusNotFound)
	f.call("GET", partner+in, "").want(http.StatusOK)
	f.call("PATCH", partner+in, `{"max_connections":5}`, "If-Match", a.etag()).want(http.StatusOK)
	f.call("PATCH", partner+in, `{"max_connections":6}`, "If-Match", a.etag()).want(http.StatusPreconditionFailed)
	f.call("PUT", partner+in, `{}`, "If-None-Match", "*").want(http.StatusPreconditionFailed)
	f.call("PUT", partner+in, `{"tls_level":"bogus"}`).want(http.StatusUnprocessableEntity)

	diff := decoded[ChangeDiff](f.call("GET", path+"/diff", "").want(http.StatusOK))
	want := []ItemDiff{{Kind: "destination_control", Key: "partner.example", Action: "created", Changes: []ValueDiff{
		{Pointer: "/max_connections", After: 5.0}, {Pointer: "/pattern", After: "partner.example"}, {Pointer: "/tls_level", After: "required"},
	}}}
	if d := cmp.Diff(want, diff.Items); d != "" || len(diff.Clashes) != 0 || diff.Revision != 1 {
		t.Error(d)
	}
	text := f.call("GET", path+"/diff", "", "Accept", "text/plain").want(http.StatusOK)
	if got := string(text.body); got != "+ destination_control partner.example\n    /max_connections: 5\n    /pattern: \"partner.example\"\n    /tls_level: \"required\"\n" {
		t.Error(got)
	}
	if r := decoded[ChangeReport](f.call("POST", path+"/validate", "").want(http.StatusOK)); !r.Valid {
		t.Errorf("%+v", r)
	}
	for range 2 { // repeating it gives the same revision
		a = f.call("POST", path+"/commit", "").want(http.StatusOK)
		if made := decoded[Revision](a); made.Number != 2 || made.Comment != "partners move to TLS" || "/api/v1/changes/"+made.Change != path {
			t.Errorf("%+v", made)
		}
	}
	f.call("GET", partner, "").want(http.StatusOK)
	if d := decoded[Change](f.call("GET", path, "").want(http.StatusOK)); d.State != "committed" || d.Revision != 2 {
		t.Errorf("%+v", d)
	}
	f.call("GET", partner+in, "").want(http.StatusConflict)
	f.call("PUT", partner+in, `{}`).want(http.StatusConflict)
	f.call("POST", path+"/discard", "").want(http.StatusConflict)
	f.call("GET", path+"/diff", "").want(http.StatusConflict)
}

// Two administrators work at the same time; the later draft is stale, learns what
// clashes and with whom, and goes on when it has looked at it (B69).
func TestTwoAdministrators(t *testing.T) {
	f := newFixture(t)
	ada, adas := f.openDraft("partner to TLS")
	grace, graces := f.openDraft("partner slows down")
	f.call("PUT", partner+adas, `{"tls_level":"required"}`).want(http.StatusCreated)
	f.call("PUT", partner+graces, `{"max_connections":2}`).want(http.StatusCreated)
	f.call("PUT", "/api/v1/domains/grace.example"+graces, `{}`).want(http.StatusCreated)
	f.call("POST", ada+"/commit", "").want(http.StatusOK)

	stale := f.call("POST", grace+"/commit", "").want(http.StatusPreconditionFailed)
	problem := decoded[Problem](stale)
	if problem.Type != "/problems/stale" || len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/destination_control/partner.example" ||
		!strings.Contains(problem.Errors[0].Message, "test-admin in revision 2") || !strings.Contains(problem.Detail, "rebase") {
		t.Errorf("%s", stale.body)
	}
	report := decoded[ChangeReport](f.call("POST", grace+"/validate", "").want(http.StatusOK))
	if report.Valid || len(report.Clashes) != 1 || report.Clashes[0].Revision != 2 || report.Clashes[0].Comment != "partner to TLS" {
		t.Errorf("%+v", report)
	}
	text := string(f.call("GET", grace+"/diff", "", "Accept", "text/plain").body)
	if !strings.Contains(text, "! destination_control partner.example: changed underneath by test-admin in revision 2\n") {
		t.Error(text)
	}
	f.call("POST", grace+"/rebase?seen=1", "").want(http.StatusPreconditionFailed)
	f.call("POST", grace+"/rebase?seen=9", "").want(http.StatusUnprocessableEntity)
	f.call("POST", grace+"/rebase", "").want(http.StatusBadRequest)
	f.call("POST", grace+"/rebase?seen=2", "").want(http.StatusOK)
	made := decoded[Revision](f.call("POST", grace+"/commit", "", "Change-Comment", "as agreed").want(http.StatusOK))
	if made.Number != 3 || made.Comment != "as agreed" {
		t.Errorf("%+v", made)
	}
}

// An incomplete draft is taken; what it lacks is told with where it is missing.
func TestIncompleteDraft(t *testing.T) {
	f := newFixture(t)
	path, in := f.openDraft("")
	f.call("PUT", "/api/v1/routes/a.example"+in, `{"next_hops":[{"server_profile":"missing"}]}`).want(http.StatusCreated)
	report := decoded[ChangeReport](f.call("POST", path+"/validate", "").want(http.StatusOK))
	if report.Valid || len(report.Errors) != 1 || report.Errors[0].Pointer != "/route/a.example/next_hops/0/server_profile" {
		t.Errorf("%+v", report)
	}
	f.call("POST", path+"/commit", "").want(http.StatusUnprocessableEntity)
	f.call("GET", "/api/v1/settings"+in, "").want(http.StatusUnprocessableEntity)
	f.call("POST", path+"/discard", "").want(http.StatusOK)
	f.call("POST", path+"/discard", "").want(http.StatusOK)
	f.call("POST", path+"/commit", "").want(http.StatusConflict)
}

// Pages of a draft are those of the configuration that it leads to.
func TestDraftIsListedInPages(t *testing.T) {
	f := newFixture(t)
	for i := range 7 {
		f.call("PUT", fmt.Sprintf("/api/v1/domains/%d.example", i), `{}`).want(http.StatusCreated)
	}
	path, in := f.openDraft("")
	for _, i := range []int{1, 2, 3} {
		f.call("DELETE", fmt.Sprintf("/api/v1/domains/%d.example", i)+in, "").want(http.StatusNoContent)
	}
	f.call("PUT", "/api/v1/domains/2a.example"+in, `{}`).want(http.StatusCreated)
	f.call("PUT", "/api/v1/domains/9.example"+in, `{}`).want(http.StatusCreated)
	pages := func(query string) (names []string) {
		for next := "/api/v1/domains" + query; next != ""; {
			a := f.call("GET", next, "").want(http.StatusOK)
			for _, d := range decoded[Page[HostedDomain]](a).Items {
				names = append(names, d.Name.String())
			}
			next, _ = strings.CutSuffix(strings.TrimPrefix(a.header.Get("Link"), "<"), `>; rel="next"`)
		}
		return names
	}
	shown := pages(in + "&limit=2")
	f.call("POST", path+"/commit", "").want(http.StatusOK)
	if diff := cmp.Diff(pages("?limit=3"), shown); diff != "" || len(shown) != 6 {
		t.Errorf("%v\n%s", shown, diff)
	}
}

// What is made of the whole configuration is made of the draft.
func TestSummariesOfADraft(t *testing.T) {
	f := newFixture(t)
	_, in := f.openDraft("")
	f.call("PATCH", "/api/v1/settings/tls"+in, `{"enabled":true}`).want(http.StatusOK)
	f.call("PATCH", "/api/v1/listeners/inbound"+in, `{"default_policy_parameters":{"tls":"required"}}`).want(http.StatusOK)
	f.call("PUT", "/api/v1/listeners/inbound/sender-groups/PARTNERS"+in, `{"policy":"TRUSTED"}`).want(http.StatusCreated)
	f.call("GET", "/api/v1/listeners/inbound/sender-groups/PARTNERS", "").want(http.StatusNotFound)
	f.call("GET", "/api/v1/listeners/inbound/sender-groups/PARTNERS"+in, "").want(http.StatusOK)
	if s := decoded[Settings](f.call("GET", "/api/v1/settings"+in, "").want(http.StatusOK)); !s.TLS.Enabled {
		t.Error("the settings are not those of the draft")
	}
	if s := decoded[ListenerSummary](f.call("GET", "/api/v1/listeners/inbound/summary"+in, "").want(http.StatusOK)); s.TLS != policy.ListenerTLSRequired {
		t.Errorf("the summary is not that of the draft: %s", s.TLS)
	}
	if s := decoded[Settings](f.call("GET", "/api/v1/settings", "").want(http.StatusOK)); s.TLS.Enabled {
		t.Error("the draft is in force")
	}
}

func TestExplainUnderADraft(t *testing.T) { // B71
	f := newFixture(t)
	f.probes.destinations = map[mailaddr.DomainName]probe.Destination{
		"partner.example": {Domain: "partner.example", Revision: 2, TLS: policy.DefaultTLSSettings()},
	}
	f.probes.clients = map[netip.Addr]probe.Client{netip.MustParseAddr("192.0.2.1"): {
		Listener: "inbound", Address: "192.0.2.1", Revision: 2, Certificate: probe.CertificateIgnored,
		Policy: policy.MailFlowPolicy{Name: "ACCEPTED", Action: policy.ActionAccept},
	}}
	_, in := f.openDraft("")
	f.call("PUT", partner+in, `{"tls_level":"required"}`).want(http.StatusCreated)
	for _, question := range []string{"&domain=partner.example", "&listener=inbound&client=192.0.2.1"} {
		f.call("GET", "/api/v1/tls/explain?"+question[1:], "").want(http.StatusOK)
		if f.probes.under != nil {
			t.Errorf("%s: a snapshot without a draft", question)
		}
		f.call("GET", "/api/v1/tls/explain"+in+question, "").want(http.StatusOK)
		if c, _ := f.probes.under.Control("partner.example"); *c.TLSLevel != policy.TLSRequired {
			t.Errorf("%s: not explained under the draft", question)
		}
	}
	f.call("GET", "/api/v1/tls/explain"+in+"&domain=partner.example&message=1", "").want(http.StatusBadRequest)
	f.call("GET", "/api/v1/tls/explain"+in, "").want(http.StatusBadRequest)
}

func TestWhereDraftsAreRefused(t *testing.T) {
	f := newFixture(t)
	path, in := f.openDraft("")
	for name, tt := range map[string]struct {
		answer answer
		status int
	}{
		"no configuration": {f.call("GET", "/api/v1/messages"+in, ""), 400},
		"history":          {f.call("GET", "/api/v1/revisions"+in, ""), 400},
		"a live test":      {f.call("POST", "/api/v1/server-profiles/x/test"+in, ""), 400},
		"unknown draft":    {f.call("GET", "/api/v1/domains?change=none", ""), 404},
		"no draft":         {f.call("GET", "/api/v1/domains?change=", ""), 404},
		"comment":          {f.call("PUT", partner+in, `{}`, "Change-Comment", "x"), 400},
		"confirm":          {f.call("PUT", partner+in+"&confirm_within=1m", `{}`), 400},
		"viewer":           {f.callAs("viewer", "PUT", partner+in, `{}`), 403},
		"viewer commits":   {f.callAs("viewer", "POST", path+"/commit", ""), 403},
		"long comment":     {f.call("POST", "/api/v1/changes", `{"comment":"`+strings.Repeat("x", 1001)+`"}`), 422},
		"control":          {f.call("POST", "/api/v1/changes", `{"comment":"a\u0007"}`), 422},
		"unknown field":    {f.call("POST", "/api/v1/changes", `{"title":"x"}`), 400},
		"bad state":        {f.call("GET", "/api/v1/changes?state=none", ""), 400},
		"empty commit":     {f.call("POST", path+"/commit", ""), 409},
		"unknown commit":   {f.call("POST", "/api/v1/changes/none/commit", ""), 404},
	} {
		t.Run(name, func(t *testing.T) { tt.answer.want(tt.status) })
	}
	f.callAs("viewer", "GET", "/api/v1/domains"+in, "").want(http.StatusOK)
}

func TestDraftIsDescribed(t *testing.T) {
	f := newFixture(t)
	path, _ := f.openDraft("first")
	tag := f.call("GET", path, "").want(http.StatusOK).etag()
	f.call("PATCH", path, `{"comment":"second"}`, "If-Match", tag).want(http.StatusOK)
	f.call("PATCH", path, `{"comment":"third"}`, "If-Match", tag).want(http.StatusPreconditionFailed)
	f.call("PATCH", path, `{"state":"open"}`).want(http.StatusBadRequest)
	if d := decoded[Change](f.call("GET", path, "")); d.Comment != "second" || d.Author != "test-admin" {
		t.Errorf("%+v", d)
	}
	second, _ := f.openDraft("")
	f.call("POST", second+"/discard", "").want(http.StatusOK)
	list := decoded[Page[Change]](f.call("GET", "/api/v1/changes?limit=1", "").want(http.StatusOK))
	if len(list.Items) != 1 || list.Items[0].State != "discarded" || list.NextCursor == "" {
		t.Errorf("%+v", list)
	}
	open := decoded[Page[Change]](f.call("GET", "/api/v1/changes?state=open", "").want(http.StatusOK))
	if len(open.Items) != 1 || open.Items[0].Comment != "second" {
		t.Errorf("%+v", open)
	}
}

func TestConfirmWithin(t *testing.T) { // B70
	f := newFixture(t)
	f.call("PUT", partner+"?confirm_within=10m", `{"tls_level":"required"}`).want(http.StatusCreated)
	waits := decoded[Status](f.call("GET", "/api/v1/status", "")).Confirmation
	made := decoded[Revision](f.call("GET", "/api/v1/revisions/2", ""))
	if waits == nil || waits.Revision != 2 || made.Confirmation != "pending" || !made.ConfirmBy.Equal(waits.ConfirmBy) {
		t.Fatalf("%+v, %+v", waits, made)
	}
	f.call("PUT", partner+"?confirm_within=10m", `{}`).want(http.StatusConflict)
	path, in := f.openDraft("")
	f.call("PUT", "/api/v1/domains/example.com"+in, `{}`).want(http.StatusCreated)
	f.call("POST", path+"/commit?confirm_within=10m", "").want(http.StatusConflict)
	f.call("POST", "/api/v1/revisions/1/rollback?confirm_within=10m", "").want(http.StatusConflict)
	for _, d := range []string{"4s", "25h", "x", "", "-1m"} {
		f.call("PUT", partner+"?confirm_within="+d, `{}`).want(http.StatusBadRequest)
	}
	for range 2 {
		kept := decoded[Revision](f.call("POST", "/api/v1/revisions/2/confirm", "").want(http.StatusOK))
		if kept.Confirmation != "confirmed" || kept.ConfirmedBy != "test-admin" {
			t.Errorf("%+v", kept)
		}
	}
	f.call("POST", "/api/v1/revisions/1/confirm", "").want(http.StatusConflict)
	f.call("POST", "/api/v1/revisions/9/confirm", "").want(http.StatusNotFound)
	committed := decoded[Revision](f.call("POST", path+"/commit?confirm_within=10m", "").want(http.StatusOK))
	if committed.Confirmation != "pending" {
		t.Errorf("%+v", committed)
	}
	if list := decoded[Page[Revision]](f.call("GET", "/api/v1/revisions?confirmation=pending", "")); len(list.Items) != 1 || list.Items[0].Number != 3 {
		t.Errorf("%+v", list)
	}
}

func TestRevisionsAreFiltered(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", partner, `{}`, "Change-Comment", "Partner is new").want(http.StatusCreated)
	f.call("PUT", "/api/v1/domains/example.com", `{}`).want(http.StatusCreated)
	for query, want := range map[string][]int64{
		"author=test-admin": {3, 2},
		"kind=domain":       {3},
		"kind=destination_control&key=partner.example": {2},
		"comment=partner":            {2},
		"until=2026-01-01T00:00:00Z": nil,
		"since=2026-01-01T00:00:00Z": {3, 2, 1},
	} {
		var got []int64
		for _, r := range decoded[Page[Revision]](f.call("GET", "/api/v1/revisions?"+query, "").want(http.StatusOK)).Items {
			got = append(got, r.Number)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
	for _, query := range []string{"since=yesterday", "until=1", "confirmation=none", "authors=x"} {
		f.call("GET", "/api/v1/revisions?"+query, "").want(http.StatusBadRequest)
	}
}

func TestRollbackByDryRun(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", partner, `{"tls_level":"required"}`).want(http.StatusCreated)
	a := f.call("POST", "/api/v1/revisions/1/rollback?dry_run=true", "").want(http.StatusOK)
	shown := decoded[Revision](a)
	if !shown.DryRun || shown.Number != 3 || len(shown.Diff) != 1 || shown.Diff[0].Action != "deleted" || a.header.Get(headerCommitted) != "2" {
		t.Errorf("%s", a.body)
	}
	if f.config.Snapshot().Revision != 2 {
		t.Error("the dry run rolled back")
	}
	f.call("POST", "/api/v1/revisions/9/rollback?dry_run=true", "").want(http.StatusNotFound)
	f.call("POST", "/api/v1/revisions/1/rollback?dry_run=maybe", "").want(http.StatusBadRequest)
	if text := f.call("GET", "/api/v1/revisions/2/diff", "", "Accept", "text/plain").want(http.StatusOK); !strings.HasPrefix(string(text.body), "+ destination_control partner.example\n") {
		t.Errorf("%s", text.body)
	}
}

func TestPresets(t *testing.T) { // B10
	f := newFixture(t)
	const apply = "/api/v1/presets/recommended/apply"
	if list := decoded[Presets](f.call("GET", "/api/v1/presets", "").want(http.StatusOK)); len(list.Items) != 1 {
		t.Errorf("%+v", list)
	}
	shown := decoded[Preset](f.call("GET", "/api/v1/presets/recommended", "").want(http.StatusOK))
	dry := decoded[Preset](f.call("POST", apply+"?dry_run=true", "").want(http.StatusOK))
	if diff := cmp.Diff(shown, dry); diff != "" || len(shown.Items) != 3 || len(shown.LeftOut) != 1 || f.config.Snapshot().Revision != 1 {
		t.Errorf("%+v\n%s", shown, diff)
	}
	path, in := f.openDraft("")
	f.call("POST", apply+in+"&dry_run=true", "").want(http.StatusBadRequest)
	f.call("POST", apply+in, "").want(http.StatusOK)
	if again := decoded[Preset](f.call("GET", "/api/v1/presets/recommended"+in, "")); len(again.Items) != 0 {
		t.Errorf("%+v", again)
	}
	if d := decoded[Change](f.call("GET", path, "")); d.Edits != 3 || f.config.Snapshot().Revision != 1 {
		t.Errorf("%+v", d)
	}
	a := f.call("POST", apply, "").want(http.StatusOK)
	made := decoded[Revision](f.call("GET", "/api/v1/revisions/2", ""))
	if a.header.Get(headerCommitted) != "2" || made.Comment != "preset recommended" || made.Author != "test-admin" || !f.config.Snapshot().Settings.TLS.Enabled {
		t.Errorf("%+v", made)
	}
	f.call("POST", path+"/commit", "").want(http.StatusConflict) // all of it is done already
	f.call("POST", "/api/v1/revisions/1/rollback", "").want(http.StatusOK)
	if f.config.Snapshot().Settings.TLS.Enabled {
		t.Error("a preset cannot be rolled back")
	}
	f.call("GET", "/api/v1/presets/none", "").want(http.StatusNotFound)
	f.call("POST", "/api/v1/presets/none/apply", "").want(http.StatusNotFound)
}

func TestDiffText(t *testing.T) {
	items, err := diffItems([]config.RecordedEdit{
		{Kind: "route", Key: "a", Before: []byte(`{"x":1,"y":2}`), After: []byte(`{"x":3}`)}, {Kind: "route", Key: "b", Before: []byte(`{"x":1}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "~ route a\n    /x: 1 -> 3\n    /y: 2 is gone\n- route b\n    /x: 1 is gone\n"
	if got := diffText(items, nil); got != want {
		t.Error(got)
	}
	if got := diffText(nil, nil); got != "no difference\n" {
		t.Error(got)
	}
}
