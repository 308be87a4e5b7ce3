package xmlrpc

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testParams = []param{
	{name: "id", typ: typeString},
	{name: "force", typ: typeBoolean, optional: true},
	{name: "count", typ: typeInt, optional: true},
	{name: "names", typ: typeStrings, optional: true},
	{name: "calls", typ: typeArray, optional: true},
}

func TestBind(t *testing.T) {
	full := args{"id": "x", "force": true, "count": int64(3), "names": []string{"a", "b"}, "calls": []any{nil}}
	tests := map[string]struct {
		values []any
		want   args
	}{
		"struct": {
			[]any{map[string]any{"names": []any{"a", "b"}, "id": "x", "force": true, "count": int64(3), "calls": []any{nil}}},
			full,
		},
		"positions":           {[]any{"x", true, int64(3), []any{"a", "b"}, []any{nil}}, full},
		"fewer positions":     {[]any{"x"}, args{"id": "x"}},
		"nil is left out":     {[]any{"x", nil, int64(3)}, args{"id": "x", "count": int64(3)}},
		"nil in struct":       {[]any{map[string]any{"id": "x", "force": nil}}, args{"id": "x"}},
		"empty list and text": {[]any{"", nil, nil, []any{}}, args{"id": "", "names": []string{}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := bind(testParams, tt.values)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("args (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBindFaults(t *testing.T) {
	const prefix = "invalid method parameters: "
	tests := map[string]struct {
		values []any
		want   string
	}{
		"nothing":  {nil, "/id: is required"},
		"nil":      {[]any{nil}, "/id: is required"},
		"too many": {[]any{"x", nil, nil, nil, nil, "y"}, "6 arguments, where the method takes at most 5"},
		"every fault of a struct": {
			[]any{map[string]any{"z": "", "Id": "x", "force": "1", "count": 1.5, "names": []any{"a", int64(1)}, "calls": map[string]any{}}},
			"/Id: is not a parameter of this method; /z: is not a parameter of this method; /id: is required; " +
				"/force: is string, must be boolean; /count: is double, must be int; /names/1: is int, must be string; /calls: is struct, must be array",
		},
		"positions of wrong type": {
			[]any{[]byte{}, time.Time{}, true, "a"},
			"/id: is base64, must be string; /force: is dateTime.iso8601, must be boolean; /count: is boolean, must be int; /names: is string, must be array of strings",
		},
		"struct and more": {[]any{map[string]any{"id": "x"}, true}, "/id: is struct, must be string"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := bind(testParams, tt.values)
			if err == nil {
				t.Fatal("no fault")
			}
			f := faultOf(err)
			if f.code != codeBadParams || f.text != prefix+tt.want {
				t.Errorf("got  %d %s\nwant %d %s", f.code, f.text, codeBadParams, prefix+tt.want)
			}
		})
	}
}

func TestSignatures(t *testing.T) {
	m := method{result: "boolean", role: "viewer", params: []param{
		{name: "a", typ: typeString},
		{name: "b", typ: typeStrings, optional: true},
		{name: "c", typ: typeInt, optional: true},
	}}
	want := []any{
		[]string{"boolean", "struct"},
		[]string{"boolean", "string"},
		[]string{"boolean", "string", "array"},
		[]string{"boolean", "string", "array", "int"},
	}
	if diff := cmp.Diff(want, m.signatures()); diff != "" {
		t.Errorf("signatures (-want +got):\n%s", diff)
	}
	bare := method{result: "int"}
	if diff := cmp.Diff([]any{[]string{"int"}}, bare.signatures()); diff != "" {
		t.Errorf("signatures of a public method (-want +got):\n%s", diff)
	}
}
