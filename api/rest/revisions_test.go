package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
)

func TestRevisionsAndRollback(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/destination-controls/partner.example"
	first := f.call("PUT", path, `{"tls_level":"preferred"}`, "Change-Comment", "opportunistic").want(http.StatusCreated)
	f.call("PUT", path, `{"tls_level":"required","max_connections":5}`, "Change-Comment", "partner moved to TLS").want(http.StatusOK)

	list := decoded[Page[Revision]](f.call("GET", "/api/v1/revisions?limit=2", "").want(http.StatusOK))
	if len(list.Items) != 2 || list.Items[0].Comment != "partner moved to TLS" || list.Items[0].Author != "test-admin" || list.NextCursor == "" {
		t.Fatalf("%+v", list)
	}
	rest := decoded[Page[Revision]](f.call("GET", "/api/v1/revisions?limit=2&cursor="+list.NextCursor, "").want(http.StatusOK))
	if len(rest.Items) != 1 || rest.Items[0].Number != 1 || rest.NextCursor != "" {
		t.Errorf("%+v", rest)
	}

	diff := decoded[RevisionDiff](f.call("GET", "/api/v1/revisions/3/diff", "").want(http.StatusOK))
	want := []ItemDiff{{Kind: "destination_control", Key: "partner.example", Action: "changed", Changes: []ValueDiff{
		{Pointer: "/max_connections", After: 5.0}, {Pointer: "/tls_level", Before: "preferred", After: "required"},
	}}}
	if d := cmp.Diff(want, diff.Items); d != "" {
		t.Error(d)
	}

	back := f.call("POST", "/api/v1/revisions/"+first.header.Get(headerCommitted)+"/rollback", "", "Change-Comment", "it broke").want(http.StatusOK)
	made := decoded[Revision](back)
	if made.Number != 4 || back.header.Get(headerCommitted) != "4" || made.Comment != "it broke" || len(made.Edits) != 1 {
		t.Errorf("%+v", made)
	}
	if got := f.call("GET", path, ""); !cmp.Equal(got.body, first.body) {
		t.Errorf("after the roll back: %s", got.body)
	}

	for _, number := range []string{"0", "99", "x", "-1"} {
		f.call("GET", "/api/v1/revisions/"+number, "").want(http.StatusNotFound)
		f.call("POST", "/api/v1/revisions/"+number+"/rollback", "").want(http.StatusNotFound)
	}
	f.call("GET", "/api/v1/revisions/1", "").want(http.StatusOK)
}

func TestWaitForApplied(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/domains/example.com"
	a := f.call("PUT", path+"?wait=1ms", `{}`).want(http.StatusCreated)
	if a.header.Get(headerCommitted) != "2" || a.header.Get(headerApplied) != "0" {
		t.Errorf("committed %s, applied %s", a.header.Get(headerCommitted), a.header.Get(headerApplied))
	}
	go func() {
		_ = waitCommitted(f.config, 3)
		f.config.ReportApplied(3)
	}()
	a = f.call("PATCH", path+"?wait=30s", `{"description":"x"}`).want(http.StatusOK)
	if a.header.Get(headerCommitted) != "3" || a.header.Get(headerApplied) != "3" {
		t.Errorf("committed %s, applied %s", a.header.Get(headerCommitted), a.header.Get(headerApplied))
	}
}

// waitCommitted stands in for the engine that follows the configuration.
func waitCommitted(s *config.Service, revision int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Snapshot().Revision < revision {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func TestDiffItem(t *testing.T) {
	tests := map[string]struct {
		before, after string
		action        string
		want          []ValueDiff
	}{
		"created": {"", `{"a":1}`, "created", []ValueDiff{{Pointer: "/a", After: 1.0}}},
		"deleted": {`{"a":1}`, "", "deleted", []ValueDiff{{Pointer: "/a", Before: 1.0}}},
		"same":    {`{"a":[1,{"b":2}]}`, `{"a":[1,{"b":2}]}`, "changed", []ValueDiff{}},
		"nested":  {`{"a":[1,{"b":2}]}`, `{"a":[1,{"b":3}]}`, "changed", []ValueDiff{{Pointer: "/a/1/b", Before: 2.0, After: 3.0}}},
		"longer":  {`{"a":[1]}`, `{"a":[1,2]}`, "changed", []ValueDiff{{Pointer: "/a/1", After: 2.0}}},
		"type":    {`{"a":[1]}`, `{"a":"x"}`, "changed", []ValueDiff{{Pointer: "/a", Before: []any{1.0}, After: "x"}}},
		"escaped": {`{"a/b":1}`, `{"a/b":false}`, "changed", []ValueDiff{{Pointer: "/a~1b", Before: 1.0, After: false}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			edit := config.RecordedEdit{}
			if tt.before != "" {
				edit.Before = json.RawMessage(tt.before)
			}
			if tt.after != "" {
				edit.After = json.RawMessage(tt.after)
			}
			got, err := diffItem(edit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Changes); diff != "" || got.Action != tt.action {
				t.Error(got.Action, diff)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	f := newFixture(t)
	f.config.ReportProblems([]config.Problem{{Part: "listener inbound", Detail: "the port is taken"}})
	f.reasons = []string{"the spool cannot be written"}
	s := decoded[Status](f.call("GET", "/api/v1/status", "").want(http.StatusOK))
	if s.RevisionCommitted != 1 || s.RevisionApplied != 0 || len(s.Problems) != 1 || s.Ready || len(s.NotReady) != 1 {
		t.Errorf("%+v", s)
	}
	f.config.ReportApplied(1)
	f.reasons = nil
	s = decoded[Status](f.call("GET", "/api/v1/status", "").want(http.StatusOK))
	if s.RevisionApplied != 1 || len(s.Problems) != 0 || !s.Ready {
		t.Errorf("%+v", s)
	}
}

// B11: the block that the command line of the seed shows.
func TestListenerSummary(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", "/api/v1/listeners/summed", `{"kind":"private","address":"::1","port":2526,"protocol":"smtps",
		"host_name":"mail.example.com","default_domain":"example.com","max_concurrency":600}`).want(http.StatusCreated)
	got := decoded[ListenerSummary](f.call("GET", "/api/v1/listeners/summed/summary", "").want(http.StatusOK))
	want := strings.Join([]string{
		"Name: summed", "Type: Private", "Interface: ::1 TCP Port 2526", "Protocol: SMTPS",
		"Default Domain: example.com", "Max Concurrency: 600 (TCP Queue: 50)", "Domain map: Disabled", "TLS: Required", "",
	}, "\n")
	if diff := cmp.Diff(want, got.Text); diff != "" {
		t.Error(diff)
	}
	f.call("GET", "/api/v1/listeners/none/summary", "").want(http.StatusNotFound)
	got = decoded[ListenerSummary](f.call("GET", "/api/v1/listeners/inbound/summary", ""))
	if !strings.Contains(got.Text, "TLS: No\n") {
		t.Errorf("a fresh listener offers no STARTTLS (B7): %s", got.Text)
	}
}

func TestSenderGroups(t *testing.T) {
	f := newFixture(t)
	const groups = "/api/v1/listeners/inbound/sender-groups"
	f.call("PUT", groups+"/PARTNERS", `{"policy":"TRUSTED","senders":[{"pattern":".partner.example"}]}`).want(http.StatusCreated)
	table := decoded[SenderGroups](f.call("GET", groups, "").want(http.StatusOK))
	n := len(table.Groups)
	if table.Groups[n-1].Name != "ALL" || table.Groups[n-2].Name != "PARTNERS" {
		t.Errorf("a new group stands before ALL (B12): %+v", table.Groups)
	}
	a := f.call("PUT", groups+"/PARTNERS", `{"policy":"NONE"}`).want(http.StatusUnprocessableEntity)
	if diff := cmp.Diff([]string{`/policy: there is no mail flow policy "NONE"`}, a.faults()); diff != "" {
		t.Error(diff)
	}
	f.call("PATCH", groups+"/PARTNERS", `{"name":"OTHER"}`).want(http.StatusUnprocessableEntity)
	f.call("DELETE", groups+"/ALL", "").want(http.StatusUnprocessableEntity)
	f.call("GET", groups+"/NOBODY", "").want(http.StatusNotFound)
	f.call("GET", "/api/v1/listeners/none/sender-groups/ALL", "").want(http.StatusNotFound)
	f.call("DELETE", groups, "").want(http.StatusMethodNotAllowed)
	got := f.call("GET", groups, "")
	f.call("PUT", groups, string(got.body), "If-Match", got.etag()).want(http.StatusOK)
}
