package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every kind of configuration goes through the same life with the examples of
// the OpenAPI document.
func TestLifeOfAResource(t *testing.T) {
	resources := []struct{ schema, path, other string }{
		{"DestinationControl", "/destination-controls/partner.example", "/destination-controls/OTHER.example"},
		{"ServerProfile", "/server-profiles/smarthost", "/server-profiles/other"},
		{"TrustAnchor", "/trust-anchors/partner-authority", "/trust-anchors/other"},
		{"Route", "/routes/.internal.example", "/routes/ALL"},
		{"STARTTLSExemption", "/starttls-exemptions/192.0.2.0%2F24", "/starttls-exemptions/192.0.2.1"},
		{"STARTTLSRequirement", "/starttls-requirements/mx.partner.example", "/starttls-requirements/.example"},
		{"HostedDomain", "/domains/example.com", "/domains/example.org"},
		{"MailFlowPolicy", "/mail-flow-policies/SPECIAL", "/mail-flow-policies/OTHER"},
		{"Listener", "/listeners/second", "/listeners/third"},
		{"SenderGroup", "/listeners/inbound/sender-groups/PARTNERS", "/listeners/inbound/sender-groups/OTHERS"},
	}
	for _, r := range resources {
		t.Run(r.schema, func(t *testing.T) {
			f := newFixture(t)
			path, document := basePath+r.path, withoutName(t, example(t, r.schema))
			if r.schema == "Route" { // one of its next hops
				f.call("PUT", basePath+"/server-profiles/smarthost", example(t, "ServerProfile")).want(http.StatusCreated)
			}

			f.call("GET", path, "").want(http.StatusNotFound)
			f.call("PUT", path, document, "If-Match", "*").want(http.StatusPreconditionFailed)
			created := f.call("PUT", path, document, "If-None-Match", "*", "Change-Comment", "créé").want(http.StatusCreated)
			if got := created.header.Get("Location"); got != path {
				t.Errorf("Location %q", got)
			}
			f.call("PUT", path, document, "If-None-Match", "*").want(http.StatusPreconditionFailed)

			got := f.call("GET", path, "").want(http.StatusOK)
			if got.etag() == "" || got.etag() != created.etag() || !cmp.Equal(got.body, created.body) {
				t.Errorf("stored\n%s\nshown\n%s", created.body, got.body)
			}
			f.call("GET", path, "", "If-None-Match", got.etag()).want(http.StatusNotModified)
			f.call("GET", path, "", "If-None-Match", "W/"+got.etag()).want(http.StatusNotModified)
			f.call("GET", path, "", "If-None-Match", `"other"`).want(http.StatusOK)

			// What was read can be written back, and then changes nothing.
			again := f.call("PUT", path, string(got.body), "If-Match", got.etag()).want(http.StatusOK)
			if again.header.Get(headerCommitted) != created.header.Get(headerCommitted) {
				t.Errorf("the same document made revision %s of %s", again.header.Get(headerCommitted), created.header.Get(headerCommitted))
			}

			patched := f.call("PATCH", path, example(t, r.schema+"Patch"), "If-Match", `"stale", `+got.etag()).want(http.StatusOK)
			if patched.etag() == got.etag() {
				t.Error("the patch changed nothing")
			}
			refused := f.call("PATCH", path, `{}`, "If-Match", got.etag()).want(http.StatusPreconditionFailed)
			if refused.etag() != patched.etag() {
				t.Errorf("412 tells %q, the entity tag is %q", refused.etag(), patched.etag())
			}
			f.call("PUT", path, document, "If-Match", got.etag()).want(http.StatusPreconditionFailed)
			f.call("PUT", path, document, "If-Match", "W/"+patched.etag()).want(http.StatusPreconditionFailed)
			f.call("DELETE", path, "", "If-Match", got.etag()).want(http.StatusPreconditionFailed)
			f.call("DELETE", path, "", "If-Match", patched.etag()).want(http.StatusNoContent)
			f.call("DELETE", path, "").want(http.StatusNotFound)
			f.call("PATCH", path, `{}`).want(http.StatusNotFound)

			// A document that names another item than the path is refused.
			f.call("PUT", basePath+r.other, string(got.body)).want(http.StatusUnprocessableEntity)
		})
	}
}

// withoutName removes the members that may follow from the path.
func withoutName(t *testing.T, document string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(document), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "name")
	delete(members, "pattern")
	if members["port"] != nil {
		members["port"] = 0
	}
	short, _ := json.Marshal(members)
	return string(short)
}

func TestSettings(t *testing.T) {
	for path, schema := range map[string]string{
		"/settings/tls": "TLSSettings", "/settings/queue": "QueueSettings",
		"/settings/dns": "DNSSettings", "/settings/outbound": "OutboundSettings",
		"/settings/inspection": "InspectionSettings",
	} {
		t.Run(schema, func(t *testing.T) {
			f := newFixture(t)
			path := basePath + path
			got := f.call("GET", path, "").want(http.StatusOK)
			if strings.Contains(string(got.body), "null") {
				t.Errorf("null in %s", got.body)
			}
			f.call("PUT", path, string(got.body), "If-Match", got.etag()).want(http.StatusOK)
			f.call("PUT", path, example(t, schema)).want(http.StatusOK)
			f.call("PATCH", path, example(t, schema+"Patch")).want(http.StatusOK)
			f.call("DELETE", path, "").want(http.StatusMethodNotAllowed)
		})
	}
}

func TestAllSettings(t *testing.T) {
	f := newFixture(t)
	all := decoded[map[string]json.RawMessage](f.call("GET", "/api/v1/settings", "").want(http.StatusOK))
	for _, section := range []string{"tls", "queue", "dns", "outbound", "inspection"} {
		one := f.call("GET", "/api/v1/settings/"+section, "").want(http.StatusOK)
		if string(all[section])+"\n" != string(one.body) {
			t.Errorf("%s: %s, alone %s", section, all[section], one.body)
		}
	}
}

func TestNamesAreCanonical(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", "/api/v1/domains/"+url.PathEscape("Bücher.Example"), `{}`).want(http.StatusCreated)
	got := f.call("GET", "/api/v1/domains/xn--bcher-kva.example", "").want(http.StatusOK)
	if name := decoded[HostedDomain](got).Name; name != "xn--bcher-kva.example" {
		t.Errorf("name %q", name)
	}
}

// What nothing can be called is not found; who would make it is told how to write
// the name.
func TestNamesThatNothingCanHave(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct{ path, body, pointer string }{
		{"/api/v1/domains/a..b", `{}`, "/name"},
		{"/api/v1/destination-controls/*.example.com", `{}`, "/pattern"},
		{"/api/v1/starttls-exemptions/192.0.2.1%2F24", `{"reason":"x"}`, "/pattern"},
		{"/api/v1/listeners/inbound/sender-groups/ALL", `{"policy":"ACCEPTED","senders":[{"pattern":"192.0.2.1"}]}`, "/senders"},
	} {
		faults := decoded[Problem](f.call("PUT", tt.path, tt.body).want(http.StatusUnprocessableEntity)).Errors
		if len(faults) != 1 || faults[0].Pointer != tt.pointer {
			t.Errorf("%s: %+v, want one at %s", tt.path, faults, tt.pointer)
		}
	}
	for _, path := range []string{"/api/v1/domains/a..b", "/api/v1/starttls-exemptions/192.0.2.1%2F24"} {
		f.call("GET", path, "").want(http.StatusNotFound)
		f.call("DELETE", path, "").want(http.StatusNotFound)
	}
}

func TestAllFaultsOfABodyAtOnce(t *testing.T) {
	f := newFixture(t)
	a := f.call("PUT", "/api/v1/listeners/x", `{"kind":"secret","protocol":"smtp","port":70000,"address":"nowhere"}`)
	want := []string{
		`/kind: "secret" is unknown: use one of public, private`,
		`/address: "nowhere" is no IP address; leave it empty to listen on all`,
		"/port: must be from 0 to 65535",
		"/host_name: is required: the name that the banner shows, as mail.example.com",
	}
	if diff := cmp.Diff(want, a.want(http.StatusUnprocessableEntity).faults()); diff != "" {
		t.Error(diff)
	}
	a = f.call("PUT", "/api/v1/listeners/x", `{"KIND":"public","port":"25","port":25}`)
	want = []string{
		"/port: the key occurs twice",
		`/KIND: is no field here: the case of letters counts, write "kind"`,
		"/port: must be a number, not a string",
	}
	if diff := cmp.Diff(want, a.want(http.StatusBadRequest).faults()); diff != "" {
		t.Error(diff)
	}
}

func TestDeletionOfWhatIsInUse(t *testing.T) {
	f := newFixture(t)
	a := f.call("DELETE", "/api/v1/mail-flow-policies/ACCEPTED", "").want(http.StatusConflict)
	if detail := decoded[Problem](a).Detail; !strings.Contains(detail, `listener "inbound"`) {
		t.Errorf("detail %q does not say what uses it", detail)
	}
	f.call("GET", "/api/v1/mail-flow-policies/ACCEPTED", "").want(http.StatusOK)
}

func TestPages(t *testing.T) {
	f := newFixture(t)
	for i := range 25 {
		f.call("PUT", fmt.Sprintf("/api/v1/domains/d%02d.example", i), `{}`).want(http.StatusCreated)
	}
	var names []string
	next := "/api/v1/domains?limit=10"
	for pages := 0; next != ""; pages++ {
		if pages > 3 {
			t.Fatal("the list does not end")
		}
		a := f.call("GET", next, "").want(http.StatusOK)
		page := decoded[Page[HostedDomain]](a)
		for _, d := range page.Items {
			names = append(names, d.Name.String())
		}
		link := a.header.Get("Link")
		next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		if (page.NextCursor == "") != (link == "") || !strings.Contains(link, page.NextCursor) {
			t.Errorf("cursor %q, link %q", page.NextCursor, link)
		}
		// Items that come and go behind the cursor change nothing ahead of it.
		f.call("DELETE", fmt.Sprintf("/api/v1/domains/d%02d.example", pages), "").want(http.StatusNoContent)
	}
	if len(names) != 25 || names[0] != "d00.example" || names[24] != "d24.example" {
		t.Errorf("%d names: %v", len(names), names)
	}
}

func TestBadPages(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a.example", "b.example"} {
		f.call("PUT", "/api/v1/domains/"+name, `{}`).want(http.StatusCreated)
		f.call("PUT", "/api/v1/destination-controls/"+name, `{}`).want(http.StatusCreated)
	}
	good := decoded[Page[HostedDomain]](f.call("GET", "/api/v1/domains?limit=1", "")).NextCursor
	tampered := []byte(good)
	tampered[8] ^= 1
	for _, query := range []string{
		"limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "cursor=!", "cursor=e30", "cursor=" + string(tampered),
		"force=1", "Limit=1", "wait=1s",
	} {
		want := http.StatusBadRequest
		if query == "limit=" {
			want = http.StatusOK // as good as absent
		}
		f.call("GET", "/api/v1/domains?"+query, "").want(want)
	}
	f.call("GET", "/api/v1/domains?cursor="+good, "").want(http.StatusOK)
	f.call("GET", "/api/v1/destination-controls?cursor="+good, "").want(http.StatusBadRequest)
}

// A16: of writers with the same entity tag exactly one wins, so that no
// increment is lost.
func TestNoLostUpdate(t *testing.T) {
	f := newFixture(t)
	const path, writers, increments = "/api/v1/destination-controls/counter.example", 20, 3
	f.call("PUT", path, `{"max_connections":0}`).want(http.StatusCreated)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for done := 0; done < increments; {
				got := f.call("GET", path, "")
				n := decoded[DestinationControl](got).MaxConnections
				switch a := f.call("PUT", path, fmt.Sprintf(`{"max_connections":%d}`, n+1), "If-Match", got.etag()); a.status {
				case http.StatusOK:
					done++
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("status %d", a.status)
					return
				}
			}
		})
	}
	group.Wait()
	if n := decoded[DestinationControl](f.call("GET", path, "")).MaxConnections; n != writers*increments {
		t.Errorf("%d of %d increments are left", n, writers*increments)
	}
}

// Patches without If-Match are about what the document is when they arrive:
// different members never undo each other.
func TestPatchesOfDifferentMembers(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/destination-controls/patched.example"
	f.call("PUT", path, `{}`).want(http.StatusCreated)
	var group sync.WaitGroup
	for _, patch := range []string{`{"max_connections":7}`, `{"messages_per_connection":8}`, `{"description":"both"}`} {
		group.Go(func() { f.call("PATCH", path, patch).want(http.StatusOK) })
	}
	group.Wait()
	got := decoded[DestinationControl](f.call("GET", path, ""))
	if got.MaxConnections != 7 || got.MessagesPerConnection != 8 || got.Description != "both" {
		t.Errorf("%+v", got)
	}
}

func TestWarningsOfAWrite(t *testing.T) {
	f := newFixture(t)
	table := `{"sender_groups":[
		{"name":"WIDE","policy":"ACCEPTED","senders":[{"pattern":"192.0.2.0/24"}]},
		{"name":"NARROW","policy":"BLOCKED","senders":[{"pattern":"192.0.2.1"}]},
		{"name":"ALL","policy":"ACCEPTED"}]}`
	type written struct {
		Warnings []ProblemFault `json:"warnings"`
	}
	a := f.call("PUT", "/api/v1/listeners/inbound/sender-groups", table).want(http.StatusOK)
	warnings := decoded[written](a).Warnings
	if len(warnings) != 1 || warnings[0].Pointer != "/sender_groups/1/senders/0/pattern" {
		t.Errorf("warnings %+v", warnings)
	}
	a = f.call("PATCH", "/api/v1/listeners/inbound/sender-groups/NARROW", `{"description":"never reached"}`).want(http.StatusOK)
	warnings = decoded[written](a).Warnings
	if len(warnings) != 1 || warnings[0].Pointer != "/senders/0/pattern" {
		t.Errorf("warnings %+v", warnings)
	}
}
