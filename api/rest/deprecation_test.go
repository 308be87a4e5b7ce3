package rest

import (
	"net/http"
	"testing"
	"time"
)

func TestDeprecatedOperationsSaySo(t *testing.T) {
	f := newFixture(t)
	f.call("GET", basePath+"/version", "").want(http.StatusOK).wantNoDeprecation()
	f.api.deprecated["getVersion"] = deprecation{
		since: time.Unix(1688169599, 0), sunset: time.Date(2027, 6, 30, 23, 59, 59, 0, time.UTC), successor: "/status",
	}
	old := f.call("GET", basePath+"/version", "").want(http.StatusOK)
	for name, want := range map[string]string{
		"Deprecation": "@1688169599", "Sunset": "Wed, 30 Jun 2027 23:59:59 GMT", "Link": `</api/v1/status>; rel="successor-version"`,
	} {
		if got := old.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// Who is refused learns it too.
	if refused := f.call("GET", basePath+"/version?x=1", "").want(http.StatusBadRequest); refused.header.Get("Deprecation") == "" {
		t.Error("a refusal does not say so")
	}
	f.call("GET", basePath+"/status", "").want(http.StatusOK).wantNoDeprecation()
}

func (a answer) wantNoDeprecation() {
	a.t.Helper()
	if got := a.header.Get("Deprecation"); got != "" {
		a.t.Errorf("Deprecation: %q", got)
	}
}

func TestDeprecationsAreDocumented(t *testing.T) {
	table := deprecations()
	for path, item := range document(t).Paths.Map() {
		for method, o := range item.Operations() {
			if _, deprecated := table[o.OperationID]; deprecated != o.Deprecated {
				t.Errorf("%s %s: deprecated in the table: %t, in the document: %t", method, path, deprecated, o.Deprecated)
			}
			delete(table, o.OperationID)
		}
	}
	for id := range table {
		t.Errorf("there is no operation %s", id)
	}
}
