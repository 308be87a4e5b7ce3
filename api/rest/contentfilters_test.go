package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const filtersPath = "/api/v1/content-filters"

// simpleFilter is a filter that holds what has the words in its subject.
func simpleFilter(words string) string {
	return `{"enabled":true,"match":"all","conditions":[{"field":"subject","operator":"contains","value":"` + words + `"}],"actions":[{"action":"hold"}]}`
}

func filterNames(f *fixture) (names []string) {
	for _, filter := range decoded[ContentFilters](f.call("GET", filtersPath, "").want(http.StatusOK)).Filters {
		names = append(names, filter.Name)
	}
	return names
}

func TestContentFiltersAreOrdered(t *testing.T) { // B59
	f := newFixture(t)
	if names := filterNames(f); names != nil {
		t.Errorf("a fresh installation filters: %v", names)
	}
	for _, name := range []string{"one", "two", "three"} {
		f.call("PUT", filtersPath+"/"+name, simpleFilter(name), "If-None-Match", "*").want(http.StatusCreated)
	}
	f.call("PUT", filtersPath+"/one", simpleFilter("uno")).want(http.StatusOK)
	if diff := cmp.Diff([]string{"one", "two", "three"}, filterNames(f)); diff != "" {
		t.Errorf("a new filter goes behind the others:\n%s", diff)
	}
	all := f.call("GET", filtersPath, "")
	list := decoded[ContentFilters](all)
	list.Filters[0], list.Filters[2] = list.Filters[2], list.Filters[0]
	f.call("PUT", filtersPath, string(mustJSON(list)), "If-Match", all.etag()).want(http.StatusOK)
	f.call("PUT", filtersPath, string(mustJSON(list)), "If-Match", all.etag()).want(http.StatusPreconditionFailed)
	f.call("DELETE", filtersPath+"/two", "").want(http.StatusNoContent)
	if diff := cmp.Diff([]string{"three", "one"}, filterNames(f)); diff != "" {
		t.Errorf("after reordering and deleting:\n%s", diff)
	}
	f.call("DELETE", filtersPath+"/two", "").want(http.StatusNotFound)
	f.call("DELETE", filtersPath, "").want(http.StatusMethodNotAllowed)
}

func TestOneContentFilter(t *testing.T) {
	f := newFixture(t)
	const path = filtersPath + "/secure-subject"
	f.call("GET", path, "").want(http.StatusNotFound)
	made := f.call("PUT", path, example(t, "ContentFilter")).want(http.StatusCreated)
	if made.header.Get("Location") != path || made.etag() != f.call("GET", path, "").etag() {
		t.Errorf("location %q, tag %s", made.header.Get("Location"), made.etag())
	}
	// The tag is that of the filter, not of the list.
	f.call("PUT", filtersPath+"/other", simpleFilter("x")).want(http.StatusCreated)
	f.call("PATCH", path, example(t, "ContentFilterPatch"), "If-Match", made.etag()).want(http.StatusOK)
	f.call("PATCH", path, `{"enabled":true}`, "If-Match", made.etag()).want(http.StatusPreconditionFailed)
	if got := decoded[ContentFilter](f.call("GET", path, "")); got.Enabled || got.Description == "" || len(got.Conditions) != 2 {
		t.Errorf("patched: %+v", got)
	}
	f.call("PATCH", path, `{"name":"renamed"}`).want(http.StatusUnprocessableEntity)
	f.call("PATCH", filtersPath+"/nobody", `{"enabled":true}`).want(http.StatusNotFound)
}

func TestFaultsOfAContentFilterAreItsOwn(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", filtersPath+"/first", simpleFilter("x")).want(http.StatusCreated)
	a := f.call("PUT", filtersPath+"/second", `{"enabled":true,"match":"all",`+
		`"conditions":[{"field":"subject","operator":"matches","value":"("}],`+
		`"actions":[{"action":"add_header","header":"X","value":"a\r\nBcc: b@example.com"}]}`).want(http.StatusUnprocessableEntity)
	want := []string{
		"/conditions/0/value: is no regular expression of RE2: missing closing ): `(`",
		"/actions/0/value: must be 1 to 900 characters of printable ASCII; write others as encoded words (RFC 2047)",
	}
	if diff := cmp.Diff(want, a.faults()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"first"}, filterNames(f)); diff != "" {
		t.Errorf("something was applied:\n%s", diff)
	}
	f.call("PUT", filtersPath, `{}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", filtersPath, `{"content_filters":[{"nmae":"x"}]}`).want(http.StatusBadRequest)
}

func TestWarningsOfAContentFilter(t *testing.T) {
	f := newFixture(t)
	warned := strings.Replace(simpleFilter("nowhere"), `"subject","operator":"contains"`, `"listener","operator":"equals"`, 1)
	a := f.call("PUT", filtersPath+"/warned", warned).want(http.StatusCreated)
	if !strings.Contains(string(a.body), `{"pointer":"/conditions/0/value","message":"there is no listener \"nowhere\""}`) {
		t.Errorf("the warning is missing: %s", a.body)
	}
	a = f.call("PUT", filtersPath+"/good", simpleFilter("x")).want(http.StatusCreated)
	if !strings.Contains(string(a.body), `"pointer":"","message":"/content_filters/0/conditions/0/value: there is no listener`) {
		t.Errorf("the warning about the other filter does not say so: %s", a.body)
	}
}

func TestMessageAgainstContentFilters(t *testing.T) { // B55, B59
	f := newFixture(t)
	f.call("PUT", filtersPath, example(t, "ContentFilters")).want(http.StatusOK)
	got := decoded[ContentFilterVerdict](f.callAs("operator", "POST", filtersPath+"/test", example(t, "ContentFilterTest")).want(http.StatusOK))
	if got.Outcome != "accept" || got.Revision != 2 || len(got.Matches) != 1 || got.Matches[0].Filter != "secure-subject" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]FilteredRecipient{{Address: "b@partner.example", RequireTLS: true}}, got.Recipients); diff != "" {
		t.Error(diff)
	}
	f.callAs("viewer", "POST", filtersPath+"/test", example(t, "ContentFilterTest")).want(http.StatusForbidden)

	// Filters on trial; those in force are not asked.
	trial := `{"message":"Subject: hi\n\nx\n","sender":"","recipients":["b+RequireTLS@example.com","c@example.com"],"content_filters":[
		{"name":"mark","enabled":true,"match":"all","conditions":[{"field":"size","operator":"equals_or_so"}],"actions":[]}]}`
	a := f.call("POST", filtersPath+"/test", trial).want(http.StatusUnprocessableEntity)
	if diff := cmp.Diff("/content_filters/0/conditions/0/operator", decoded[Problem](a).Errors[0].Pointer); diff != "" {
		t.Error(diff)
	}
	trial = strings.NewReplacer(`"operator":"equals_or_so"`, `"operator":"less","octets":19`,
		`"actions":[]`, `"actions":[{"action":"add_header","header":"X-Small","value":"yes"},{"action":"hold"}]`).Replace(trial)
	got = decoded[ContentFilterVerdict](f.call("POST", filtersPath+"/test", trial).want(http.StatusOK))
	// The line ends count as CRLF: 13 + 2 + 3 octets.
	if got.Outcome != "hold" || len(got.AddedHeaders) != 1 || got.AddedHeaders[0].Name != "X-Small" || !got.Recipients[0].RequireTLS || got.Recipients[1].RequireTLS {
		t.Errorf("%+v", got)
	}
	trial = strings.Replace(trial, `"octets":19`, `"octets":18`, 1)
	if got = decoded[ContentFilterVerdict](f.call("POST", filtersPath+"/test", trial)); len(got.Matches) != 0 || got.Outcome != "accept" {
		t.Errorf("%+v", got)
	}
	reject := `{"message":"x","recipients":["b@example.com"],"content_filters":[{"name":"no","enabled":true,"match":"all",` +
		`"conditions":[{"field":"envelope_sender","operator":"equals"}],"actions":[{"action":"reject","text":"no bounces"}]}]}`
	if got = decoded[ContentFilterVerdict](f.call("POST", filtersPath+"/test", reject)); got.Outcome != "reject" || got.Reply != "550 5.7.1 no bounces" {
		t.Errorf("%+v", got)
	}
}

func TestBadTestsOfContentFilters(t *testing.T) {
	f := newFixture(t)
	for body, status := range map[string]int{
		`{"message":"x","recipients":[]}`:             http.StatusUnprocessableEntity,
		`{"message":"x","recipients":[""]}`:           http.StatusUnprocessableEntity,
		`{"message":"x","recipients":["no address"]}`: http.StatusUnprocessableEntity,
		`{"message":"x"}`:                             http.StatusUnprocessableEntity,
		`{"message":"x","recipients":["a@b.example"],"content_filters":[{"name":"a b"}]}`: http.StatusUnprocessableEntity,
		`{"recipients":["a@b.example"],"message":"` + strings.Repeat("x", 1<<20) + `"}`:   http.StatusRequestEntityTooLarge,
	} {
		f.call("POST", filtersPath+"/test", body).want(status)
	}
	f.call("POST", filtersPath+"/test", `{"message":"x","recipients":["postmaster"],"content_filters":[]}`).want(http.StatusOK)
}

func TestRequireTLSSettings(t *testing.T) { // B4
	f := newFixture(t)
	const path = "/api/v1/settings/requiretls"
	if got := decoded[RequireTLSSettings](f.call("GET", path, "").want(http.StatusOK)); !got.Enabled || got.StripTag {
		t.Errorf("fresh settings: %+v", got)
	}
	f.call("PATCH", path, example(t, "RequireTLSSettingsPatch")).want(http.StatusOK)
	f.call("PUT", path, `{"enabled":false,"strip_tag":true}`).want(http.StatusOK)
	if got := decoded[Settings](f.call("GET", "/api/v1/settings", "")).RequireTLS; got != (RequireTLSSettings{StripTag: true}) {
		t.Errorf("all settings: %+v", got)
	}
	test := `{"message":"x","recipients":["b+requiretls@example.com"]}`
	if got := decoded[ContentFilterVerdict](f.call("POST", filtersPath+"/test", test)); got.Recipients[0].RequireTLS {
		t.Error("flagged although the feature is off (B55)")
	}
}
