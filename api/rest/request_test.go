package rest

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccepts(t *testing.T) {
	tests := map[string]bool{
		"application/json":                  true,
		"*/*":                               true,
		"application/*":                     true,
		"text/html, application/json;q=0.5": true,
		"text/html":                         false,
		"application/json;q=0":              false,
		"application/json;q=0, */*":         false,
		"*/*;q=0, application/json":         true,
		"application/json; charset=utf-8":   true,
		"application/json;q=nonsense":       true,
		"":                                  false,
		";;,/,*":                            false,
		"application/problem+json, application/*":  true,
		"application/vnd.other+json, text/*;q=0.9": false,
	}
	for accept, want := range tests {
		if got := quality(accept, mediaJSON) > 0; got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
}

func FuzzAccepts(f *testing.F) {
	for _, seed := range []string{"*/*", "application/json;q=0.1, text/*", ";", "a/b;q=NaN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		chosen, err := negotiate(&http.Request{Header: http.Header{"Accept": {accept}}}, mediaJSON, mediaCSV)
		if (err == nil) != (chosen == mediaJSON || chosen == mediaCSV) {
			t.Errorf("%q: %q, %v", accept, chosen, err)
		}
	})
}

func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{"Bearer x", "Basic YTpi", "Basic ", "bearer  y", "Digest z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		shown, err := credentialOf(&http.Request{Header: http.Header{"Authorization": {header}}})
		if err == nil && shown.Password == "" {
			t.Errorf("%q passes without a password", header)
		}
	})
}

// A cursor that is taken is one that the list would give out.
func FuzzCursor(f *testing.F) {
	p := pageRequest{list: "/api/v1/domains?"}
	f.Add("")
	f.Add(p.encode("example.com"))
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		key, ok := p.decode(text)
		if !ok {
			return
		}
		if again, ok := p.decode(p.encode(key)); !ok || again != key {
			t.Errorf("%q gives %q, which gives %q", text, key, again)
		}
	})
}

// patchable is a document without null.
func patchable() sample {
	return sample{
		base: base{Name: "n"}, Role: "r", Color: "red", Number: 3, Key: []byte{1},
		Labels: map[string]string{"a": "1", "b": "2"}, Items: []inner{{Port: 1}, {Port: 2}}, Raw: json.RawMessage(`{}`),
	}
}

func TestMergePatch(t *testing.T) {
	current := patchable()
	tests := map[string]struct {
		patch  string
		change func(*sample)
	}{
		"nothing":       {`{}`, func(*sample) {}},
		"replaced":      {`{"role":"s"}`, func(s *sample) { s.Role = "s" }},
		"deleted":       {`{"number":null}`, func(s *sample) { s.Number = 0 }},
		"deep":          {`{"labels":{"a":null,"c":"3"}}`, func(s *sample) { s.Labels = map[string]string{"b": "2", "c": "3"} }},
		"list as whole": {`{"items":[{"port":9}]}`, func(s *sample) { s.Items = []inner{{Port: 9}} }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := current
			tt.change(&want)
			got, faults, err := mergePatch(current, []byte(tt.patch))
			if err != nil || len(faults) > 0 {
				t.Fatal(err, faults)
			}
			a, b := mustJSON(want), mustJSON(got)
			if diff := cmp.Diff(string(a), string(b)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, faults, err := mergePatch(current, []byte(`{"name":null}`)); err == nil && len(faults) == 0 {
		t.Error("a patch may not delete what is required")
	}
}

func FuzzMergePatch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"role":null}`, `{"items":[null]}`, `{"labels":{"x":null}}`, `[]`, `{"any":{"a":{"b":null}}}`} {
		f.Add([]byte(seed))
	}
	current := patchable()
	f.Fuzz(func(t *testing.T, patch []byte) {
		got, faults, err := mergePatch(current, patch)
		if err == nil && len(faults) == 0 && got.Name == "" {
			t.Errorf("%s deletes what is required", patch)
		}
	})
}
