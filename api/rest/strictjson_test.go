package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
)

// color is an enumeration that reads itself, as those of package policy do.
type color string

func (c *color) UnmarshalText(text []byte) error {
	if string(text) != "red" && string(text) != "green" {
		return domain.E(domain.Invalid, "%q is unknown: use red or green", text)
	}
	*c = color(text)
	return nil
}

type inner struct {
	Port uint16 `json:"port"`
	Deep *inner `json:"deep,omitempty"`
}

type base struct {
	Name string `json:"name" validate:"required"`
}

type sample struct {
	base
	Role    string            `json:"role"`
	Color   color             `json:"color"`
	Number  int               `json:"number"`
	Small   int8              `json:"small"`
	Share   float64           `json:"share"`
	On      bool              `json:"on"`
	Maybe   *bool             `json:"maybe,omitempty"`
	When    time.Time         `json:"when"`
	Key     []byte            `json:"key"`
	Items   []inner           `json:"items"`
	Labels  map[string]string `json:"labels"`
	Any     any               `json:"any"`
	Raw     json.RawMessage   `json:"raw"`
	Slashed string            `json:"a/b~c"`
	Hidden  string            `json:"-"`
}

func TestDecodeStrictTakesEveryType(t *testing.T) {
	body := `{"name":"n","role":"r","color":"red","number":-7,"small":-128,"share":1.5e3,"on":true,
		"when":"2026-11-25T08:00:00Z","key":"AQI=","items":[{"port":65535,"deep":{"port":1}}],"labels":{"x":"y"},
		"any":[1,null],"raw":{"x":[1]},"a/b~c":"s"}`
	got, err := decodeStrict[sample]([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := sample{
		base: base{Name: "n"}, Role: "r", Color: "red", Number: -7, Small: -128, Share: 1500, On: true,
		When: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC), Key: []byte{1, 2},
		Items: []inner{{Port: 65535, Deep: &inner{Port: 1}}}, Labels: map[string]string{"x": "y"},
		Any: []any{1.0, nil}, Raw: json.RawMessage(`{"x":[1]}`), Slashed: "s",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeStrictTellsAbsentFromZero(t *testing.T) {
	absent, err1 := decodeStrict[sample]([]byte(`{"name":"n"}`))
	zero, err2 := decodeStrict[sample]([]byte(`{"name":"n","maybe":false}`))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if absent.Maybe != nil || zero.Maybe == nil || *zero.Maybe {
		t.Errorf("absent %v, zero %v", absent.Maybe, zero.Maybe)
	}
}

// Each line is a body and the faults it must get; a fault of syntax makes the
// whole body malformed (400).
func TestDecodeStrictFaults(t *testing.T) {
	const malformed, invalid = true, false
	deep := strings.Repeat(`[`, 32) + strings.Repeat(`]`, 32)
	tests := map[string]struct {
		body   string
		syntax bool
		faults []string
	}{
		"empty":           {"", malformed, []string{"the body is empty: a JSON document is needed"}},
		"blank":           {" \n", malformed, []string{"the body is empty: a JSON document is needed"}},
		"not JSON":        {`{"name":}`, malformed, []string{"not a JSON document: invalid character '}' looking for beginning of value, at octet 9"}},
		"cut off":         {`{"name":"n"`, malformed, []string{"not a JSON document: unexpected end of JSON input, at octet 11"}},
		"trailing data":   {`{"name":"n"} {}`, malformed, []string{"not a JSON document: invalid character '{' after top-level value, at octet 14"}},
		"trailing comma":  {`{"name":"n",}`, malformed, []string{"not a JSON document: invalid character '}' looking for beginning of object key string, at octet 13"}},
		"byte order mark": {"\ufeff{}", malformed, []string{"not a JSON document: invalid character 'ï' looking for beginning of value, at octet 1"}},
		"not UTF-8":       {"{\"name\":\"\xff\"}", malformed, []string{"the body is not UTF-8"}},
		"too deep":        {`{"name":"n","any":` + deep + `}`, malformed, []string{"nested deeper than 32 levels"}},
		"braces in text":  {`{"name":"` + strings.Repeat(`[\"{`, 40) + `"}`, invalid, nil},
		"unknown":         {`{"name":"n","nome":1}`, malformed, []string{"/nome: is no field here"}},
		"wrong case":      {`{"name":"n","ROLE":"admin"}`, malformed, []string{`/ROLE: is no field here: the case of letters counts, write "role"`}},
		"hidden":          {`{"name":"n","-":"x","Hidden":"x"}`, malformed, []string{"/-: is no field here", "/Hidden: is no field here"}},
		"prototype":       {`{"name":"n","__proto__":{}}`, malformed, []string{"/__proto__: is no field here"}},
		"duplicate":       {`{"name":"n","role":"a","role":"b"}`, malformed, []string{"/role: the key occurs twice"}},
		"escaped twin":    {`{"name":"n","role":"a","r\u006fle":"b"}`, malformed, []string{"/role: the key occurs twice"}},
		"duplicate deep":  {`{"name":"n","any":[{"x":1,"x":2}]}`, malformed, []string{"/any/0/x: the key occurs twice"}},
		"not an object":   {`[]`, invalid, []string{"must be an object, not an array"}},
		"null document":   {`null`, invalid, []string{"must not be null"}},
		"required":        {`{}`, invalid, []string{"/name: is required"}},
		"null pointer":    {`{"name":"n","maybe":null}`, invalid, []string{"/maybe: must not be null: leave it out"}},
		"null string":     {`{"name":null}`, invalid, []string{"/name: must not be null"}},
		"null list":       {`{"name":"n","items":null}`, invalid, []string{"/items: must not be null"}},
		"wrong types": {
			`{"name":1,"number":"1","on":"true","items":{},"labels":[],"color":3}`, invalid,
			[]string{
				"/name: must be a string, not a number", "/number: must be a number, not a string",
				"/on: must be a boolean, not a string", "/items: must be an array, not an object",
				"/labels: must be an object, not an array", "/color: must be a string, not a number",
			},
		},
		"ranges": {
			`{"name":"n","small":128,"items":[{"port":-1},{"port":65536}],"share":1e999}`, invalid,
			[]string{
				"/small: must be a whole number from -128 to 127, written without fraction and exponent",
				"/items/0/port: must be a whole number from 0 to 65535, written without fraction and exponent",
				"/items/1/port: must be a whole number from 0 to 65535, written without fraction and exponent",
				"/share: is too large a number",
			},
		},
		"fraction":         {`{"name":"n","small":1.0}`, invalid, []string{"/small: must be a whole number from -128 to 127, written without fraction and exponent"}},
		"enumeration":      {`{"name":"n","color":"blue"}`, invalid, []string{`/color: "blue" is unknown: use red or green`}},
		"time":             {`{"name":"n","when":"yesterday"}`, invalid, []string{"/when: must be a time of RFC 3339, like 2026-11-25T08:00:00Z"}},
		"base64":           {`{"name":"n","key":"&"}`, invalid, []string{"/key: must be base64"}},
		"escaped pointer":  {`{"name":"n","a/b~c":1}`, invalid, []string{"/a~1b~0c: must be a string, not a number"}},
		"value in map":     {`{"name":"n","labels":{"x":1}}`, invalid, []string{"/labels/x: must be a string, not a number"}},
		"both classes":     {`{"name":1,"nome":1}`, malformed, []string{"/name: must be a string, not a number", "/nome: is no field here"}},
		"deeply nested":    {`{"name":"n","items":[{"port":1,"deep":{"deep":{"port":"x"}}}]}`, invalid, []string{"/items/0/deep/deep/port: must be a number, not a string"}},
		"white space kept": {"{ \"name\" :\t\"n\" , \"raw\" : [ 1 ,\n2 ] , \"color\" : \"red\" }", invalid, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeStrict[sample]([]byte(tt.body))
			faults, syntax := faultsOf(err)
			if syntax != tt.syntax {
				t.Errorf("malformed = %v, want %v", syntax, tt.syntax)
			}
			if diff := cmp.Diff(tt.faults, faults); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// faultsOf returns the faults of an error in words, and whether it is one of
// syntax.
func faultsOf(err error) (words []string, syntax bool) {
	var list domain.Faults
	if bad, ok := errors.AsType[*malformedError](err); ok {
		list, syntax = bad.faults, true
	} else if bad, ok := errors.AsType[*domain.Error](err); ok {
		list = bad.Faults
	}
	for _, fault := range list {
		words = append(words, fault.String())
	}
	return words, syntax
}

func TestDecodeStrictBoundsItsFaults(t *testing.T) {
	var body bytes.Buffer
	body.WriteString(`{"name":"n"`)
	key := strings.Repeat("ü", 5000)
	for i := range 300 {
		body.WriteString(`,"` + key + strings.Repeat("x", i) + `":1`)
	}
	body.WriteString(`}`)
	words, _ := faultsOf(second(decodeStrict[sample](body.Bytes())))
	if len(words) != maxFaults+1 {
		t.Fatalf("%d faults", len(words))
	}
	if len(words[0]) > maxPointerOctets+50 || !strings.Contains(words[0], "…") {
		t.Errorf("a pointer of %d octets", len(words[0]))
	}
}

func second[T any](_ T, err error) error { return err }

func TestCheckPatch(t *testing.T) {
	tests := map[string]struct {
		patch  string
		faults []string
	}{
		"null deletes":    {`{"role":null,"items":null,"labels":{"x":null}}`, nil},
		"partial":         {`{"number":3}`, nil},
		"unknown deleted": {`{"nome":null}`, []string{"/nome: is no field here"}},
		"wrong type":      {`{"number":"3"}`, []string{"/number: must be a number, not a string"}},
		"duplicate":       {`{"number":3,"number":4}`, []string{"/number: the key occurs twice"}},
		"no object":       {`7`, []string{"must be an object, not a number"}},
		"no JSON":         {`{`, []string{"not a JSON document: unexpected end of JSON input, at octet 1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			words, _ := faultsOf(checkPatch[sample]([]byte(tt.patch)))
			if diff := cmp.Diff(tt.faults, words); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever decodeStrict accepts, encoding/json with its own strictness accepts
// with the same result; whatever it refuses has a reason.
func FuzzDecodeStrict(f *testing.F) {
	for _, seed := range []string{
		`{"name":"n"}`, `{"name":"n","items":[{"port":1}]}`, `{"NAME":1}`, `[[[[`, `{"name":"n","any":{"":[null,1e9]}}`,
		`{"name":"\ud800","name":"x"}`, "\xff", `{"name":"n","when":"2026-11-25T08:00:00Z","raw": 1 }`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeStrict[sample](data)
		if err != nil {
			if words, _ := faultsOf(err); len(words) == 0 {
				t.Fatalf("refused without a fault: %v", err)
			}
			return
		}
		var want sample
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("accepted %q: %v", data, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); diff != "" {
			t.Fatal(diff)
		}
	})
}
