package rest

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/session"
	"postern/domain/whatif"
)

// pastDay is a history of one client and one destination, both without TLS.
type pastDay struct{}

var _ whatif.History = pastDay{}

func (pastDay) Recorded(context.Context, time.Time) (int, error) { return 2, nil }

func (pastDay) EachSession(_ context.Context, _ time.Time, yield func(*session.Record) bool) error {
	yield(&session.Record{
		ID: 5, At: noon, Listener: "inbound", Client: netip.MustParseAddr("192.0.2.7"), NamesKnown: true,
		Offered: true, Result: delivery.TLSClear, Accepted: 1,
	})
	return nil
}

func (pastDay) EachAttempt(_ context.Context, _ time.Time, yield func(*delivery.RecordedAttempt) bool) error {
	yield(&delivery.RecordedAttempt{ID: 6, Attempt: delivery.Attempt{
		Message: 7, At: noon, Decision: policy.Decision{Domain: "partner.example"},
		Hosts: []delivery.HostTry{{
			Host: "mx.partner.example", Address: "192.0.2.1:25", Stage: delivery.StageTransfer,
			Evidence: &delivery.Evidence{ByMX: true, STARTTLS: delivery.PeerTLSAbsent},
		}},
		Results: []delivery.Result{{Outcome: delivery.Outcome{Status: delivery.Delivered}}},
	}})
	return nil
}

func TestChangeImpact(t *testing.T) { // B72
	f := newFixture(t)
	f.call("PATCH", "/api/v1/settings/tls", `{"enabled":true}`)
	change := decoded[map[string]any](f.call("POST", "/api/v1/changes", `{"comment":"stricter"}`).want(http.StatusCreated))["id"].(string)
	path := "/api/v1/changes/" + change + "/impact"
	f.call("PUT", "/api/v1/destination-controls/partner.example?change="+change, `{"tls_level":"required"}`).want(http.StatusCreated)
	f.call("GET", path, "").want(http.StatusNotFound)
	begun := f.callAs("viewer", "POST", path+"?days=3", "").want(http.StatusAccepted)
	done := decoded[map[string]any](f.call("GET", begun.header.Get("Location")+"?wait=10s", "").want(http.StatusOK))
	if done["state"] != "succeeded" || done["kind"] != "impact" {
		t.Fatalf("%+v", done)
	}
	if diff := cmp.Diff(map[string]any{"done": 2.0, "total": 2.0, "unit": "sessions and attempts"}, done["progress"]); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	shown := decoded[map[string]any](f.callAs("viewer", "GET", path, "").want(http.StatusOK))
	if diff := cmp.Diff(done["result"], any(shown)); diff != "" {
		t.Errorf("shown (-result +got):\n%s", diff)
	}
	want := map[string]any{
		"judged": 1.0, "ignored": 0.0, "unchanged": 0.0, "cannot_be_told": 0.0,
		"changes": []any{map[string]any{
			"from": "clear", "to": "deferred", "count": 1.0, "other_subjects": 0.0,
			"subjects": []any{map[string]any{
				"name": "partner.example", "count": 1.0, "last_at": "2026-11-25T12:00:00Z", "example": delivery.MessageID(7).String(),
				"because": "destination_control partner.example: required",
			}},
		}},
	}
	if diff := cmp.Diff(want, shown["outgoing"]); diff != "" {
		t.Errorf("outgoing (-want +got):\n%s", diff)
	}
	if in := shown["incoming"].(map[string]any); in["judged"] != 1.0 || in["unchanged"] != 1.0 {
		t.Errorf("incoming: %v", in)
	}
}

// However many impacts of others are younger, a draft has its own newest one.
func TestChangeImpactIsThatOfTheDraft(t *testing.T) {
	f := newFixture(t)
	var paths []string
	for _, comment := range []string{"a", "b", "c"} {
		change := decoded[map[string]any](f.call("POST", "/api/v1/changes", `{"comment":"`+comment+`"}`).want(http.StatusCreated))["id"].(string)
		paths = append(paths, "/api/v1/changes/"+change+"/impact")
	}
	since := map[string]any{}
	for _, run := range []struct{ path, days string }{{paths[0], "1"}, {paths[0], "2"}, {paths[1], "3"}} {
		begun := f.call("POST", run.path+"?days="+run.days, "").want(http.StatusAccepted)
		done := decoded[map[string]any](f.call("GET", begun.header.Get("Location")+"?wait=10s", "").want(http.StatusOK))
		since[run.path] = done["result"].(map[string]any)["since"]
	}
	for _, path := range paths[:2] {
		if shown := decoded[map[string]any](f.call("GET", path, "").want(http.StatusOK)); shown["since"] != since[path] {
			t.Errorf("%s: since %v, want %v", path, shown["since"], since[path])
		}
	}
	f.call("GET", paths[2], "").want(http.StatusNotFound)
}

func TestChangeImpactRefusesWhatCannotBeAsked(t *testing.T) {
	f := newFixture(t)
	change := decoded[map[string]any](f.call("POST", "/api/v1/changes", `{"comment":"stricter"}`).want(http.StatusCreated))["id"].(string)
	for _, days := range []string{"0", "366", "many"} {
		f.call("POST", "/api/v1/changes/"+change+"/impact?days="+days, "").want(http.StatusBadRequest)
	}
	f.call("POST", "/api/v1/changes/unknown/impact", "").want(http.StatusNotFound)
	f.call("POST", "/api/v1/changes/"+change+"/discard", "").want(http.StatusOK)
	f.call("POST", "/api/v1/changes/"+change+"/impact", "").want(http.StatusConflict)
}
