package rest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// destinations are some in memory, in order.
type destinations []delivery.DestinationStatus

func newDestinations() destinations {
	return destinations{
		{Domain: "[192.0.2.7]", State: delivery.DestinationIdle, DestinationRecord: delivery.DestinationRecord{Held: 1}},
		{
			Domain: "partner.example", State: delivery.DestinationSuspended, SuspendedUntil: noon.Add(time.Hour),
			DestinationRecord: delivery.DestinationRecord{
				Queued: 1, Deferred: 4, Next: noon.Add(time.Minute),
				DestinationHistory: delivery.DestinationHistory{
					TLS: delivery.LastTLS{
						At: noon, Host: "mx.partner.example", Result: delivery.TLSFailed, Detail: "expired",
						TLS: delivery.SessionTLS{Version: "TLS1.3", Cipher: "TLS_AES_128_GCM_SHA256", Verification: "expired"},
					},
					Error: delivery.LastError{At: noon, Outcome: deferred},
				},
			},
		},
		{Domain: "quiet.example", State: delivery.DestinationActive, Connections: 2},
	}
}

func (d destinations) List(_ context.Context, state delivery.DestinationState, above mailaddr.DomainName, limit int) (list []delivery.DestinationStatus, _ error) {
	for _, each := range d {
		if each.Domain > above && (state == "" || each.State == state) && len(list) < limit {
			list = append(list, each)
		}
	}
	return list, nil
}

func (d destinations) Get(_ context.Context, name mailaddr.DomainName) (delivery.DestinationStatus, error) {
	i := slices.IndexFunc(d, func(each delivery.DestinationStatus) bool { return each.Domain == name })
	if i < 0 {
		return delivery.DestinationStatus{}, domain.E(domain.NotFound, "there is no mail for %s", name)
	}
	return d[i], nil
}

func TestDestinations(t *testing.T) { // B67
	f := newFixture(t)
	f.call("PUT", "/api/v1/destination-controls/partner.example", `{"tls_level":"required_verify"}`).want(http.StatusCreated)
	f.call("PATCH", "/api/v1/settings/tls", `{"enabled":true}`)

	page := decoded[Page[map[string]any]](f.callAs("viewer", "GET", "/api/v1/destinations?limit=2", "").want(http.StatusOK))
	if len(page.Items) != 2 || page.NextCursor == "" || page.Items[0]["domain"] != "[192.0.2.7]" {
		t.Fatalf("%+v", page)
	}
	rest := decoded[Page[map[string]any]](f.call("GET", "/api/v1/destinations?limit=2&cursor="+page.NextCursor, "").want(http.StatusOK))
	if len(rest.Items) != 1 || rest.Items[0]["state"] != "active" || rest.Items[0]["connections"] != 2.0 {
		t.Errorf("%+v", rest)
	}
	suspended := decoded[Page[map[string]any]](f.call("GET", "/api/v1/destinations?state=suspended", "").want(http.StatusOK))
	want := []map[string]any{{
		"domain": "partner.example", "state": "suspended", "suspended_until": "2026-11-25T13:00:00Z", "connections": 0.0,
		"queued": 1.0, "deferred": 4.0, "held": 0.0, "next_attempt_at": "2026-11-25T12:01:00Z",
		"last_tls": map[string]any{
			"at": "2026-11-25T12:00:00Z", "host": "mx.partner.example", "result": "failed", "detail": "expired",
			"tls": map[string]any{"version": "TLS1.3", "cipher": "TLS_AES_128_GCM_SHA256", "verification": "expired"},
		},
		"last_error": map[string]any{"at": "2026-11-25T12:00:00Z", "outcome": map[string]any{
			"status": "deferred", "stage": "starttls", "code": 454.0, "enhanced": "4.7.4", "text": "no", "remote": true,
		}},
		"requirement": map[string]any{"tls_level": "required_verify", "rule": "destination_control", "entry": "partner.example"},
	}}
	if diff := cmp.Diff(want, suspended.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What a route leads to is configuration too (B27): server profiles, and hosts on
// the STARTTLS required list. Of several next hops the one that asks least counts.
func TestDestinationRequirementKnowsTheRoute(t *testing.T) {
	for name, tc := range map[string]struct {
		puts map[string]string
		of   string
		want DestinationRequirement
	}{
		"server profile": {map[string]string{
			"server-profiles/hub":    `{"type":"smtp","uris":["smtp://hub.example"],"transport_encryption":"starttls_required"}`,
			"routes/partner.example": `{"next_hops":[{"server_profile":"hub"}]}`,
		}, "partner.example", DestinationRequirement{policy.TLSRequired, "server_profile", "hub"}},
		"required host": {map[string]string{
			"starttls-requirements/hub.example": `{"reason":"test"}`,
			"routes/partner.example":            `{"next_hops":[{"host":"hub.example"}]}`,
		}, "partner.example", DestinationRequirement{policy.TLSRequired, "starttls_requirement", "hub.example"}},
		"required address": {map[string]string{
			"starttls-requirements/192.0.2.0%2F24": `{"reason":"test"}`,
			"routes/partner.example":               `{"next_hops":[{"host":"192.0.2.9"}]}`,
		}, "partner.example", DestinationRequirement{policy.TLSRequired, "starttls_requirement", "192.0.2.0/24"}},
		"address literal": {map[string]string{
			"starttls-requirements/192.0.2.0%2F24": `{"reason":"test"}`,
		}, "[192.0.2.7]", DestinationRequirement{policy.TLSRequired, "starttls_requirement", "192.0.2.0/24"}},
		"weakest": {map[string]string{
			"starttls-requirements/hub.example": `{"reason":"test"}`,
			"routes/partner.example":            `{"next_hops":[{"host":"hub.example"},{"host":"spare.example","priority":9}]}`,
		}, "partner.example", DestinationRequirement{policy.TLSNone, "destination_control", "default"}},
		"DNS": {map[string]string{
			"destination-controls/partner.example": `{"tls_level":"required"}`,
			"routes/partner.example":               `{"next_hops":[{"use_dns":true}]}`,
		}, "partner.example", DestinationRequirement{policy.TLSRequired, "destination_control", "partner.example"}},
		"discarded": {map[string]string{
			"routes/partner.example": `{"next_hops":[{"discard":true}]}`,
		}, "partner.example", DestinationRequirement{policy.TLSNone, "destination_control", "default"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.call("PATCH", "/api/v1/settings/tls", `{"enabled":true}`)
			for _, path := range slices.Backward(slices.Sorted(maps.Keys(tc.puts))) { // what routes lead to is there first
				f.call("PUT", "/api/v1/"+path, tc.puts[path]).want(http.StatusCreated)
			}
			got := decoded[struct{ Requirement DestinationRequirement }](f.call("GET", "/api/v1/destinations/"+tc.of, "").want(http.StatusOK))
			if got.Requirement != tc.want {
				t.Errorf("got %+v, want %+v", got.Requirement, tc.want)
			}
		})
	}
}

func TestOneDestination(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"PARTNER.example", "partner.example.", "[192.0.2.7]", "%5B192.0.2.7%5D"} {
		f.call("GET", "/api/v1/destinations/"+name, "").want(http.StatusOK)
	}
	for _, name := range []string{"unknown.example", "..", "[192.0.2.7", "[x]", "[]", "a%2Fb", "%20"} {
		f.call("GET", "/api/v1/destinations/"+name, "").want(http.StatusNotFound)
	}
	f.call("GET", "/api/v1/destinations?state=dead", "").want(http.StatusBadRequest)
}
