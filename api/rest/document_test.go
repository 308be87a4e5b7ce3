package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"postern/domain/account"
	"postern/openapi"
)

// line is what router and document must agree on.
type line struct {
	Method, Path, ID, Role, Scope, Query string
}

// The table of operations and the document are compared both ways: what is
// documented exists, and what exists is documented.
func TestOperationsAndDocumentAgree(t *testing.T) {
	routed := map[string]line{}
	for _, o := range new(API).withResources().operations() {
		path := regexp.MustCompile(`:(\w+)`).ReplaceAllString(o.path, "{$1}")
		query := slices.Sorted(slices.Values(o.query))
		routed[o.method+" "+path] = line{o.method, path, o.id, string(o.role), string(o.scope()), strings.Join(query, ",")}
	}
	documented := map[string]line{}
	doc := document(t)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			role, _ := o.Extensions["x-role"].(string)
			scope, _ := o.Extensions["x-scope"].(string)
			documented[method+" "+path] = line{method, path, o.OperationID, role, scope, queryOf(o)}
		}
	}
	if diff := cmp.Diff(documented, routed); diff != "" {
		t.Errorf("the document (-) and the router (+) differ; run scripts/generate.sh?\n%s", diff)
	}
}

func (a *API) withResources() *API {
	a.makeResources()
	return a
}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func queryOf(o *openapi3.Operation) string {
	var names []string
	for _, p := range o.Parameters {
		if p.Value.In == "query" {
			names = append(names, p.Value.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

func TestEveryOperationIsDescribed(t *testing.T) {
	for path, item := range document(t).Paths.Map() {
		for method, o := range item.Operations() {
			if o.OperationID == "" || o.Summary == "" || len(o.Tags) == 0 || o.Extensions["x-role"] == nil {
				t.Errorf("%s %s lacks an operationId, a summary, a tag or a role", method, path)
			}
			for _, status := range refusalsOf(method, path, o) {
				if o.Responses.Value(status) == nil {
					t.Errorf("%s %s does not document %s", method, path, status)
				}
			}
		}
	}
}

// refusalsOf are the statuses that an operation must know: those of all, and those
// that follow from what it takes.
func refusalsOf(method, path string, o *openapi3.Operation) []string {
	statuses := []string{"400", "401", "403", "406", "429", "500", "503"}
	if strings.Contains(path, "{") && method != http.MethodPut { // what is put may be new
		statuses = append(statuses, "404")
	}
	if o.RequestBody != nil {
		statuses = append(statuses, "408", "413", "415", "422")
	}
	for _, p := range o.Parameters {
		if p.Value.Name == "If-Match" {
			statuses = append(statuses, "412")
		}
	}
	return statuses
}

// Every body has an example, which its own schema allows.
func TestEveryBodyHasAnExample(t *testing.T) {
	check := func(what, mediaType string, media *openapi3.MediaType, asked openapi3.SchemaValidationOption) {
		if media.Example == nil {
			t.Errorf("%s %s has no example", what, mediaType)
			return
		}
		if strings.HasSuffix(mediaType, "json") {
			if err := media.Schema.Value.VisitJSON(media.Example, asked, openapi3.MultiErrors()); err != nil {
				t.Errorf("the example of %s %s: %v", what, mediaType, err)
			}
		}
	}
	for _, item := range document(t).Paths.Map() {
		for _, o := range item.Operations() {
			if o.RequestBody != nil {
				for mediaType, media := range o.RequestBody.Value.Content {
					check("the request of "+o.OperationID, mediaType, media, openapi3.VisitAsRequest())
				}
			}
			for status, response := range o.Responses.Map() {
				for mediaType, media := range response.Value.Content {
					check("reply "+status+" of "+o.OperationID, mediaType, media, openapi3.VisitAsResponse())
				}
			}
		}
	}
}

// The examples of refusals are those that the gateway answers with.
func TestExamplesOfProblemsAreOurs(t *testing.T) {
	ours := map[string]problemType{}
	for _, sort := range allProblemTypes() {
		ours[problemPath+sort.name] = sort
	}
	for name, response := range document(t).Components.Responses {
		media := response.Value.Content.Get("application/problem+json")
		if media == nil {
			continue
		}
		example, _ := json.Marshal(media.Example)
		problem, err := decodeStrict[Problem](example)
		sort, ok := ours[problem.Type]
		if err != nil || !ok || sort.status != problem.Status || sort.title != problem.Title || name != fmt.Sprint("Problem", sort.status) {
			t.Errorf("%s: %s, %v", name, example, err)
		}
	}
}

// A01: nothing below /api/v1 answers without credentials, or with bad ones.
func TestEveryOperationNeedsCredentials(t *testing.T) {
	f := newFixture(t)
	bad := map[string][]string{
		"none":         nil,
		"wrong token":  {"Authorization", "Bearer nonsense"},
		"no token":     {"Authorization", "Bearer "},
		"wrong basic":  {"Authorization", "Basic YWRtaW46d3Jvbmc="},
		"broken basic": {"Authorization", "Basic %%%"},
		"scheme":       {"Authorization", "Digest admin"},
	}
	for _, o := range f.api.operations() {
		for name, headers := range bad {
			a := f.callAs("", o.method, basePath+concrete(o.path), "", headers...)
			if a.status != http.StatusUnauthorized {
				t.Errorf("%s %s with %s: %d, want 401", o.method, o.path, name, a.status)
			}
			if len(a.header.Values("WWW-Authenticate")) != 2 {
				t.Errorf("%s %s with %s: challenges %q", o.method, o.path, name, a.header.Values("WWW-Authenticate"))
			}
		}
	}
}

// concrete fills the parameters of a path with something.
func concrete(path string) string {
	return regexp.MustCompile(`:\w+`).ReplaceAllString(path, "1")
}

func TestEveryOperationHoldsItsRole(t *testing.T) {
	f := newFixture(t)
	roles := []account.Role{account.RoleViewer, account.RoleOperator, account.RoleCertificateManager}
	for _, o := range f.api.operations() {
		if o.role == "" {
			t.Errorf("%s %s has no role", o.method, o.path)
		}
		for _, role := range roles {
			if (account.Principal{Role: role}).Allows(o.role) {
				continue
			}
			a := f.callAs(string(role), o.method, basePath+concrete(o.path), "")
			if a.status != http.StatusForbidden {
				t.Errorf("%s %s as %s: %d, want 403", o.method, o.path, role, a.status)
			}
		}
	}
}

func TestCredentialsByBasic(t *testing.T) {
	f := newFixture(t)
	request, _ := http.NewRequest(http.MethodGet, f.server.URL+"/api/v1/version", nil)
	request.SetBasicAuth("viewer", "secret")
	f.send(request).want(http.StatusOK)

	request.Header.Add("Authorization", "Bearer admin")
	f.send(request).want(http.StatusUnauthorized)
}

// The examples are what people copy: every request example must be taken.
func TestExamplesOfRequestsAreStrictlyValid(t *testing.T) {
	check := func(name string, decode func([]byte) error) {
		if err := decode([]byte(example(t, name))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("SelfSignedRequest", decodeOnly[SelfSignedRequest])
	check("CertificateImport", decodeOnly[CertificateImport])
	check("Problem", decodeOnly[Problem])
	check("Certificate", decodeOnly[Certificate])
	check("Revision", decodeOnly[Revision])
	check("RevisionDiff", decodeOnly[RevisionDiff])
	check("Status", decodeOnly[Status])
	check("Version", decodeOnly[Version])
	check("ListenerSummary", decodeOnly[ListenerSummary])
	check("ContentFilterTest", decodeOnly[ContentFilterTest])
	check("ContentFilterVerdict", decodeOnly[ContentFilterVerdict])
}

func decodeOnly[T any](data []byte) error { return second(decodeStrict[T](data)) }

// Enumerations in the document are those that the domain reads.
func TestDocumentedEnumerationsAreUnderstood(t *testing.T) {
	for name, decode := range map[string]func([]byte) error{
		"DestinationControl": decodeOnly[DestinationControl],
		"Listener":           decodeOnly[Listener],
		"FlowParameters":     decodeOnly[FlowParameters],
		"MailFlowPolicy":     decodeOnly[MailFlowPolicy],
		"TLSSettings":        decodeOnly[TLSSettings],
	} {
		schema := document(t).Components.Schemas[name].Value
		for property, ref := range schema.Properties {
			for _, value := range ref.Value.Enum {
				body, _ := json.Marshal(map[string]any{property: value})
				if err := decode(body); err != nil {
					t.Errorf("%s %s: %v", name, body, err)
				}
			}
		}
	}
}
