package apifuzz

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"postern/api/rest/contract"
)

// A server that is wrong about everything is found out.
func TestRunFindsFaults(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		fault  string
	}{
		"fails":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "an internal error"},
		"takes everything":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "the document forbids this"},
		"refuses in its way":  {refuse(`{"status":422}`), "the problem has type"},
		"points nowhere":      {refuse(`{"type":"/problems/invalid","title":"t","status":422,"instance":"PATH"}`), "no fault names"},
		"knows other headers": {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Other", "1"); unauthenticated(w, r) }, "X-Other is not in the document"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tt.answer)
			defer server.Close()
			only := func(o contract.Operation) bool { return o.OperationID != "replaceListener" }
			report, err := Run(t.Context(), Target{URL: server.URL, Tokens: []string{"t"}, Client: server.Client()},
				Options{Seed: 1, Skip: only, Pins: Loopback})
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(report.Findings, func(f Finding) bool { return strings.Contains(f.String(), tt.fault) })
			if !found || report.Operations != 1 || report.Requests < 200 {
				t.Errorf("%d requests, %d findings, none says %q", report.Requests, len(report.Findings), tt.fault)
			}
		})
	}
}

func refuse(problem string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(strings.ReplaceAll(problem, "PATH", r.URL.EscapedPath())))
	}
}

func unauthenticated(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"type":"/problems/unauthenticated","title":"t","status":401,"instance":"` + r.URL.EscapedPath() + `"}`))
}

// Each constraint of a schema is broken by one mutation.
func TestMutations(t *testing.T) {
	schema := openapi3.NewObjectSchema().
		WithProperty("port", openapi3.NewIntegerSchema().WithMin(1).WithMax(9)).
		WithProperty("name", openapi3.NewStringSchema().WithMinLength(1).WithMaxLength(3)).
		WithProperty("kind", openapi3.NewStringSchema().WithEnum("a", "b")).
		WithProperty("tags", openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema()).WithMaxItems(1))
	schema.Required = []string{"name"}
	body := map[string]any{"name": "n", "port": 5, "tags": []any{"x"}}
	refused, taken := map[string]bool{}, map[string]bool{}
	for _, m := range mutationsOf(schema.NewRef(), body, Loopback) {
		if m.refused {
			refused[string(m.apply(body))] = true
		} else {
			taken[string(m.apply(body))] = true
		}
	}
	for _, want := range []string{
		`{"name":"n","port":10,"tags":["x"]}`, `{"name":"n","port":0,"tags":["x"]}`, `{"name":"n","port":1.5,"tags":["x"]}`,
		`{"name":"n","port":1e400,"tags":["x"]}`, `{"name":"n","port":"text","tags":["x"]}`, `{"name":"n","port":null,"tags":["x"]}`,
		`{"name":"","port":5,"tags":["x"]}`, `{"name":"aaaa","port":5,"tags":["x"]}`, `{"port":5,"tags":["x"]}`,
		`{"kind":"AX","name":"n","port":5,"tags":["x"]}`, `{"name":"n","port":5,"tags":["x","x"]}`, `{"name":"n","port":5,"tags":[7]}`,
		`{"name":"n","port":5,"tags":["x"],"unknown_member":1}`, `{"name":"n","name":"n","port":5,"tags":["x"]}`, `{"NAME":"n","port":5,"tags":["x"]}`,
	} {
		if !refused[want] {
			t.Errorf("no mutation is %s", want)
		}
	}
	for _, want := range []string{`{"kind":"b","name":"n","port":5,"tags":["x"]}`, `{"name":"aaa","port":5,"tags":["x"]}`, `{"name":"n","port":5,"tags":[]}`} {
		if !taken[want] {
			t.Errorf("no mutation is %s", want)
		}
	}
	for body := range taken {
		if strings.Contains(body, `"port":9`) {
			t.Errorf("the port is pinned, and becomes 9 in %s", body)
		}
	}
}
