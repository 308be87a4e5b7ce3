package rest

import (
	"net/http"
	"testing"

	"postern/domain/policy"
)

// Objects that are no configuration: whoever has one already is told so, and each
// has a strong tag of its own.
func TestObjectsOfHistoryAreNotSentTwice(t *testing.T) {
	f := newFixture(t)
	f.raise(policy.SeverityWarning, "a.example", "b.example")
	alerts := f.walk("/api/v1/alerts?limit=1", "id")
	sessions := f.walk("/api/v1/sessions?limit=1", "id")
	f.call("PUT", "/api/v1/destination-controls/a.example", `{}`).want(http.StatusCreated)
	for kind, pair := range map[string][2]string{
		"alerts":    {alerts[0].(string), alerts[1].(string)},
		"sessions":  {sessions[0].(string), sessions[1].(string)},
		"messages":  {f.queue.messages[0].ID.String(), f.queue.messages[1].ID.String()},
		"revisions": {"1", "2"},
	} {
		t.Run(kind, func(t *testing.T) {
			one := f.call("GET", "/api/v1/"+kind+"/"+pair[0], "").want(http.StatusOK)
			other := f.call("GET", "/api/v1/"+kind+"/"+pair[1], "").want(http.StatusOK)
			if tag := one.etag(); len(tag) < 3 || tag[0] != '"' || tag == other.etag() {
				t.Errorf("tags %s and %s", tag, other.etag())
			}
			again := f.call("GET", "/api/v1/"+kind+"/"+pair[0], "", "If-None-Match", one.etag()).want(http.StatusNotModified)
			if len(again.body) != 0 || again.etag() != one.etag() {
				t.Errorf("304 with the tag %s and the body %q", again.etag(), again.body)
			}
			f.call("GET", "/api/v1/"+kind+"/"+pair[0], "", "If-None-Match", other.etag()).want(http.StatusOK)
		})
	}
}
