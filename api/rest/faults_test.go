package rest

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Faults of type, of a value, and of a reference come in one reply.
func TestAllFaultsComeAtOnce(t *testing.T) {
	f := newFixture(t)
	for name, tc := range map[string]struct {
		method, path, body string
		want               []string
	}{
		"value and reference": {
			"PATCH", "/listeners/outbound", `{"certificate_id":"nosuch","port":70000}`, []string{"/port", "/certificate_id"},
		},
		"new listener": {
			"PUT", "/listeners/third", `{"kind":"public","protocol":"smtp","host_name":"a.example","certificate_id":"nosuch","port":70000}`,
			[]string{"/port", "/certificate_id"},
		},
		"type and value": {
			"PUT", "/listeners/outbound", `{"port":"x","kind":"q","protocol":"smtp","host_name":"a.example"}`, []string{"/port", "/kind"},
		},
		"type and value in a patch": {"PATCH", "/listeners/outbound", `{"port":"x","kind":"q"}`, []string{"/port", "/kind"}},
		"pattern and policy": {
			"PUT", "/listeners/inbound/sender-groups",
			`{"sender_groups":[{"name":"A","policy":"NOWHERE","senders":[{"pattern":"no pattern"},{"pattern":"192.0.2.1"}]},{"name":"ALL","policy":"ACCEPTED"}]}`,
			[]string{"/sender_groups/0/senders/0/pattern", "/sender_groups/0/policy"},
		},
		"pattern and policy of one group": {
			"PUT", "/listeners/inbound/sender-groups/A", `{"policy":"NOWHERE","senders":[{"pattern":"no pattern"}]}`,
			[]string{"/senders/0/pattern", "/policy"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.call(tc.method, "/api/v1"+tc.path, tc.body).want(http.StatusUnprocessableEntity)
			var pointers []string
			for _, fault := range decoded[Problem](a).Errors {
				pointers = append(pointers, fault.Pointer)
			}
			if diff := cmp.Diff(tc.want, pointers); diff != "" {
				t.Errorf("%s\n%s", diff, a.body)
			}
		})
	}
	if n := f.config.Snapshot().Revision; n != 1 {
		t.Errorf("revision %d", n)
	}
}

// Whatever member of a document is of the wrong type or of no sense, the reply is
// about the request, and never a failure of ours.
func TestNoMemberIsJudgedInVain(t *testing.T) {
	f := newFixture(t)
	for path, name := range map[string]string{
		"/listeners/inbound": "Listener", "/listeners/inbound/sender-groups": "SenderGroups",
		"/listeners/inbound/sender-groups/ALL": "SenderGroup", "/mail-flow-policies/ACCEPTED": "MailFlowPolicy",
		"/destination-controls/example.com": "DestinationControl", "/routes/example.com": "Route",
		"/starttls-exemptions/example.com": "STARTTLSExemption", "/starttls-requirements/example.com": "STARTTLSRequirement",
		"/trust-anchors/one": "TrustAnchor", "/server-profiles/one": "ServerProfile",
		"/alert-recipients/one": "AlertRecipient", "/content-filters": "ContentFilters", "/domains/example.com": "HostedDomain",
		"/settings/tls": "TLSSettings", "/settings/queue": "QueueSettings", "/settings/dns": "DNSSettings",
		"/settings/outbound": "OutboundSettings", "/settings/requiretls": "RequireTLSSettings",
	} {
		var document any
		if err := json.Unmarshal([]byte(example(t, name)), &document); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []any{nil, "", "\x00 (", -1, 1e6, true, []any{}, []any{nil}, []any{"("}, map[string]any{}} {
			for body := range altered(document, wrong) {
				a := f.call("PUT", "/api/v1"+path, string(mustJSON(body)))
				if a.status >= http.StatusInternalServerError || a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
					t.Errorf("PUT %s %s: %d %s", path, mustJSON(body), a.status, a.body)
				}
			}
		}
	}
}

// altered yields the document once for each value in it, with the other in its
// place.
func altered(document, other any) iter.Seq[any] {
	return func(yield func(any) bool) {
		if !yield(other) {
			return
		}
		switch v := document.(type) {
		case map[string]any:
			for key, member := range v {
				for changed := range altered(member, other) {
					copied := maps.Clone(v)
					copied[key] = changed
					if !yield(copied) {
						return
					}
				}
			}
		case []any:
			for i, member := range v {
				for changed := range altered(member, other) {
					copied := slices.Clone(v)
					copied[i] = changed
					if !yield(copied) {
						return
					}
				}
			}
		}
	}
}
