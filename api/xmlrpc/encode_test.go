package xmlrpc

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asCall makes a call of a response, so that the decoder can read it.
func asCall(response []byte) string {
	return strings.NewReplacer(
		"<methodResponse>", "<methodCall><methodName>m</methodName>",
		"</methodResponse>", "</methodCall>",
	).Replace(string(response))
}

func TestEncodeResponse(t *testing.T) {
	tests := map[string]struct {
		value any
		want  string // inside of the value element
	}{
		"nil":           {nil, "<nil/>"},
		"true":          {true, "<boolean>1</boolean>"},
		"false":         {false, "<boolean>0</boolean>"},
		"int":           {-7, "<int>-7</int>"},
		"int, greatest": {math.MaxInt32, "<int>2147483647</int>"},
		"beyond 32 bit": {int64(math.MaxInt32 + 1), "<i8>2147483648</i8>"},
		"below 32 bit":  {int64(math.MinInt32 - 1), "<i8>-2147483649</i8>"},
		"double":        {1e21, "<double>1000000000000000000000</double>"},
		"small double":  {1e-7, "<double>0.0000001</double>"},
		"string":        {"a<&>\r\n]]>é\x00", "<string>a&lt;&amp;&gt;&#xD;&#xA;]]&gt;é\uFFFD</string>"},
		"time":          {time.Date(2026, 3, 1, 1, 2, 3, 999, time.FixedZone("", 3600)), "<dateTime.iso8601>20260301T00:02:03</dateTime.iso8601>"},
		"bytes":         {[]byte("hello"), "<base64>aGVsbG8=</base64>"},
		"array":         {[]any{1, "a"}, "<array><data><value><int>1</int></value><value><string>a</string></value></data></array>"},
		"strings":       {[]string{"a"}, "<array><data><value><string>a</string></value></data></array>"},
		"no strings":    {[]string(nil), "<array><data></data></array>"},
		"structs":       {[]map[string]any{{}}, "<array><data><value><struct></struct></value></data></array>"},
		"struct":        {map[string]any{"b": 1, "a&": true}, "<struct><member><name>a&amp;</name><value><boolean>1</boolean></value></member><member><name>b</name><value><int>1</int></value></member></struct>"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := encodeResponse(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			want := declaration + "<methodResponse><params><param><value>" + tt.want + "</value></param></params></methodResponse>\n"
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"NaN":       math.NaN(),
		"infinity":  math.Inf(1),
		"year 0":    time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"year 10k":  time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		"unknown":   struct{}{},
		"in struct": map[string]any{"a": math.NaN()},
		"in array":  []any{math.NaN()},
	} {
		if got, err := encodeResponse(value); err == nil {
			t.Errorf("%s: encoded as %s", name, got)
		}
	}
}

func TestEncodeFault(t *testing.T) {
	got := string(encodeFault(&fault{code: -32700, text: "a < b"}))
	want := declaration + "<methodResponse><fault><value><struct>" +
		"<member><name>faultCode</name><value><int>-32700</int></value></member>" +
		"<member><name>faultString</name><value><string>a &lt; b</string></value></member>" +
		"</struct></value></fault></methodResponse>\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fault (-want +got):\n%s", diff)
	}
}

// FuzzDecodeCall checks that no body makes the decoder panic, nest too deep or
// fail otherwise than by a fault, and that what it accepts survives a trip
// through the encoder.
func FuzzDecodeCall(f *testing.F) {
	for _, body := range []string{
		callWith("<value>a</value>"),
		callWith("<value><struct><member><name>a</name><value><array><data><value><i8>1</i8></value><value><nil/></value></data></array></value></member></struct></value>"),
		callWith("<value><dateTime.iso8601>2026-01-02T03:04:05.6+01:00</dateTime.iso8601></value>"),
		callWith("<value><double>-1e-3</double></value>"),
		callWith("<value><base64>aGVsbG8=</base64></value>"),
		callWith("<value>" + nest(31, "<boolean>1</boolean>") + "</value>"),
		`<?xml version="1.0" encoding="ISO-8859-1"?>` + callWith("<value>\xe9\r\n&#13;</value>"),
		"<!DOCTYPE a [<!ENTITY b 'c'>]>" + callWith("<value>&b;</value>"),
		"<methodCall><methodName>m</methodName>",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		call, err := decodeText(body)
		if err != nil {
			if faultOf(err).code == codeInternal {
				t.Fatalf("not a fault of the protocol: %v", err)
			}
			return
		}
		for _, param := range call.params {
			roundTrip(t, param)
		}
	})
}

func roundTrip(t *testing.T, value any) {
	t.Helper()
	if d := depthOf(value); d > maxDepth {
		t.Fatalf("depth %d", d)
	}
	response, err := encodeResponse(value)
	if err != nil {
		t.Fatalf("%#v was decoded and cannot be encoded: %v", value, err)
	}
	unlimited := func(string) bool { return true }
	again, err := decodeCall(strings.NewReader(asCall(response)), "", unlimited)
	if err != nil {
		t.Fatalf("%s was encoded and cannot be decoded: %v", response, err)
	}
	if first, second := wholeSeconds(value), again.params[0]; !reflect.DeepEqual(first, second) {
		t.Errorf("first %#v, then %#v", first, second)
	}
}

// wholeSeconds returns the value with its times as the encoder writes them.
func wholeSeconds(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.Truncate(time.Second)
	case []any:
		for i := range v {
			v[i] = wholeSeconds(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = wholeSeconds(v[name])
		}
	}
	return value
}

func depthOf(value any) int {
	deepest := 0
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			deepest = max(deepest, depthOf(item))
		}
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depthOf(member))
		}
	}
	return deepest + 1
}
