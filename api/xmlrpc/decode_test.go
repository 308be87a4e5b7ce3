package xmlrpc

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// callWith returns a call of one parameter.
func callWith(value string) string {
	return "<methodCall><methodName>m</methodName><params><param>" + value + "</param></params></methodCall>"
}

// decodeText decodes under the small limit.
func decodeText(body string) (methodCall, error) {
	return decodeCall(strings.NewReader(body), "", func(string) bool { return false })
}

func TestDecodeValues(t *testing.T) {
	at := time.Date(1998, 7, 17, 14, 8, 55, 0, time.UTC)
	tests := map[string]struct {
		value string
		want  any
	}{
		"int":                   {"<int>42</int>", int64(42)},
		"i4 least":              {"<i4>-2147483648</i4>", int64(math.MinInt32)},
		"i4 greatest":           {"<i4>2147483647</i4>", int64(math.MaxInt32)},
		"int with plus":         {"<int>+1</int>", int64(1)},
		"int, leading zeros":    {"<int>-0012</int>", int64(-12)},
		"i8":                    {"<i8>9223372036854775807</i8>", int64(math.MaxInt64)},
		"ex:i8 undeclared":      {"<ex:i8>-5</ex:i8>", int64(-5)},
		"boolean":               {"<boolean>1</boolean>", true},
		"boolean false":         {"<boolean>0</boolean>", false},
		"double":                {"<double>-12.53</double>", -12.53},
		"double with exponent":  {"<double>1e+300</double>", 1e300},
		"double without dot":    {"<double>3</double>", 3.0},
		"string":                {"<string>abc</string>", "abc"},
		"string, empty":         {"<string></string>", ""},
		"string, no content":    {"<string/>", ""},
		"string, spaces":        {"<string>  a  </string>", "  a  "},
		"string, entities":      {"<string>&lt;&amp;&gt;&quot;&apos;&#233;&#x20AC;</string>", `<&>"'é€`},
		"string, comment":       {"<string>a<!-- c -->b</string>", "ab"},
		"string, CDATA":         {"<string>a<![CDATA[<b>&amp;]]>c</string>", "a<b>&amp;c"},
		"string, CR":            {"<string>a&#13;&#10;b</string>", "a\r\nb"},
		"untyped":               {"abc", "abc"},
		"untyped, comment":      {"a<!-- c -->b", "ab"},
		"untyped, empty":        {"", ""},
		"untyped, white space":  {" \n ", " \n "},
		"space around the type": {"\n  <int>1</int>\n", int64(1)},
		"dateTime":              {"<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>", at},
		"dateTime Z":            {"<dateTime.iso8601>19980717T14:08:55Z</dateTime.iso8601>", at},
		"dateTime extended":     {"<dateTime.iso8601>1998-07-17T14:08:55</dateTime.iso8601>", at},
		"dateTime extended Z":   {"<dateTime.iso8601>1998-07-17T14:08:55Z</dateTime.iso8601>", at},
		"dateTime zone":         {"<dateTime.iso8601>19980717T16:08:55+0200</dateTime.iso8601>", at},
		"dateTime zone, colon":  {"<dateTime.iso8601>1998-07-17T09:08:55-05:00</dateTime.iso8601>", at},
		"dateTime fraction":     {"<dateTime.iso8601>19980717T14:08:55.250</dateTime.iso8601>", at.Add(250 * time.Millisecond)},
		"base64":                {"<base64>aGVsbG8=</base64>", []byte("hello")},
		"base64 in lines":       {"<base64>\n aGVs\r\n\tbG8=\n</base64>", []byte("hello")},
		"base64 empty":          {"<base64/>", []byte{}},
		"nil":                   {"<nil/>", nil},
		"ex:nil declared":       {`<ex:nil xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"/>`, nil},
		"array":                 {"<array><data><value>a</value> <value><int>1</int></value></data></array>", []any{"a", int64(1)}},
		"array, empty":          {"<array><data/></array>", []any{}},
		"struct":                {"<struct><member><name>a b</name><value><nil/></value></member>\n<member><name>c</name><value>d</value></member></struct>", map[string]any{"a b": nil, "c": "d"}},
		"struct, empty":         {"<struct/>", map[string]any{}},
		"struct, empty name":    {"<struct><member><name/><value/></member></struct>", map[string]any{"": ""}},
		"32 levels":             {nest(31, "<int>1</int>"), nested(31, int64(1))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			call, err := decodeText(callWith("<value>" + tt.value + "</value>"))
			if err != nil {
				t.Fatal(err)
			}
			// cmp.Diff takes twice the time for each level of nesting.
			if want := []any{tt.want}; !reflect.DeepEqual(want, call.params) {
				t.Errorf("params %#v, want %#v", call.params, want)
			}
		})
	}
}

// nest returns the inside of a value that holds levels of arrays around inner.
func nest(levels int, inner string) string {
	return strings.Repeat("<array><data><value>", levels) + inner + strings.Repeat("</value></data></array>", levels)
}

func nested(levels int, inner any) any {
	for range levels {
		inner = []any{inner}
	}
	return inner
}

func TestDecodeRefusesValues(t *testing.T) {
	tests := map[string]struct {
		value string
		code  int
		text  string // part of the fault's text
	}{
		"int too great":        {"<int>2147483648</int>", codeBadParams, "32 bits"},
		"int too small":        {"<i4>-2147483649</i4>", codeBadParams, "32 bits"},
		"i8 too great":         {"<i8>9223372036854775808</i8>", codeBadParams, "64 bits"},
		"int with space":       {"<int> 1 </int>", codeBadParams, "integer"},
		"int hexadecimal":      {"<int>0x10</int>", codeBadParams, "integer"},
		"int with exponent":    {"<int>1e3</int>", codeBadParams, "integer"},
		"int with underscore":  {"<int>1_000</int>", codeBadParams, "integer"},
		"int empty":            {"<int/>", codeBadParams, "integer"},
		"int, other digits":    {"<int>١</int>", codeBadParams, "integer"},
		"boolean 2":            {"<boolean>2</boolean>", codeBadParams, "0 or 1"},
		"boolean true":         {"<boolean>true</boolean>", codeBadParams, "0 or 1"},
		"boolean empty":        {"<boolean/>", codeBadParams, "0 or 1"},
		"double NaN":           {"<double>NaN</double>", codeBadParams, "finite"},
		"double inf":           {"<double>inf</double>", codeBadParams, "finite"},
		"double out of range":  {"<double>1e400</double>", codeBadParams, "finite"},
		"double hexadecimal":   {"<double>0x1p4</double>", codeBadParams, "finite"},
		"double empty":         {"<double/>", codeBadParams, "finite"},
		"dateTime year 0":      {"<dateTime.iso8601>00000101T00:00:00</dateTime.iso8601>", codeBadParams, "dateTime"},
		"dateTime before 1":    {"<dateTime.iso8601>00010101T00:00:00+01:00</dateTime.iso8601>", codeBadParams, "dateTime"},
		"dateTime after 9999":  {"<dateTime.iso8601>99991231T23:59:59-01:00</dateTime.iso8601>", codeBadParams, "dateTime"},
		"dateTime leap second": {"<dateTime.iso8601>20161231T23:59:60</dateTime.iso8601>", codeBadParams, "dateTime"},
		"dateTime February 30": {"<dateTime.iso8601>20260230T00:00:00</dateTime.iso8601>", codeBadParams, "dateTime"},
		"dateTime date only":   {"<dateTime.iso8601>20260228</dateTime.iso8601>", codeBadParams, "dateTime"},
		"base64, no padding":   {"<base64>aGVsbG8</base64>", codeBadParams, "base64"},
		"base64, long padding": {"<base64>aGVsbG8==</base64>", codeBadParams, "base64"},
		"base64, spare bits":   {"<base64>aGVsbG9=</base64>", codeBadParams, "base64"},
		"base64, URL alphabet": {"<base64>_-__</base64>", codeBadParams, "base64"},
		"nil with text":        {"<nil>x</nil>", codeBadParams, "nil"},
		"duplicate member":     {"<struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct>", codeBadParams, "parameter 1: /a: "},
		"pointer":              {"<struct><member><name>a/b~c</name><value><array><data><value/><value><int>x</int></value></data></array></value></member></struct>", codeBadParams, "parameter 1: /a~1b~0c/1: "},
		"unknown type":         {"<float>1</float>", codeNotConforming, `"float"`},
		"foreign name space":   {`<x:int xmlns:x="urn:x">1</x:int>`, codeNotConforming, `"int"`},
		"two types":            {"<int>1</int><int>2</int>", codeNotConforming, "nothing more"},
		"text before the type": {"a<int>1</int>", codeNotConforming, "both text and an element"},
		"text after the type":  {"<int>1</int>a", codeNotConforming, "text"},
		"element in a scalar":  {"<string>a<b/></string>", codeNotConforming, `"b"`},
		"array without data":   {"<array/>", codeNotConforming, "data is missing"},
		"array, two data":      {"<array><data/><data/></array>", codeNotConforming, `"data"`},
		"array, bare scalar":   {"<array><data><int>1</int></data></array>", codeNotConforming, `"int"`},
		"struct, bare value":   {"<struct><value/></struct>", codeNotConforming, `"value"`},
		"member, no name":      {"<struct><member><value/></member></struct>", codeNotConforming, `"value"`},
		"member, no value":     {"<struct><member><name>a</name></member></struct>", codeNotConforming, "value is missing"},
		"member, two values":   {"<struct><member><name>a</name><value/><value/></member></struct>", codeNotConforming, `"value"`},
		"attribute":            {`<int base="16">1</int>`, codeNotConforming, `"base"`},
		"33 levels":            {nest(32, ""), codeNotConforming, "deeper than 32"},
		"unknown entity":       {"<string>&nbsp;</string>", codeNotWellFormed, "entity"},
		"control character":    {"<string>\x01</string>", codeNotWellFormed, "character"},
		"control reference":    {"<string>&#0;</string>", codeNotWellFormed, ""},
		"invalid UTF-8":        {"<string>\xff</string>", codeNotWellFormed, "UTF-8"},
		"wrong end":            {"<int>1</i4>", codeNotWellFormed, "closed by"},
		"processing":           {"<?php x ?>", codeNotConforming, "processing"},
		"late declaration":     {`<?xml version="1.0"?>`, codeNotConforming, "processing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeText(callWith("<value>" + tt.value + "</value>"))
			wantFault(t, err, tt.code, tt.text)
		})
	}
}

// wantFault checks the code and a part of the text.
func wantFault(t *testing.T, err error, code int, part string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want fault %d", code)
	}
	f := faultOf(err)
	if f.code != code || !strings.Contains(f.text, part) {
		t.Errorf("got fault %d %q, want %d with %q", f.code, f.text, code, part)
	}
}

func TestDecodeCallForms(t *testing.T) {
	tests := map[string]struct {
		body string
		want methodCall
	}{
		"no params element": {"<methodCall><methodName>a.B_1:/</methodName></methodCall>", methodCall{name: "a.B_1:/"}},
		"empty params":      {"<methodCall><methodName>m</methodName><params/></methodCall>", methodCall{name: "m"}},
		"two params": {
			"<methodCall><methodName>m</methodName><params><param><value>a</value></param><param><value/></param></params></methodCall>",
			methodCall{name: "m", params: []any{"a", ""}},
		},
		"declaration, comments, white space": {
			"<?xml version=\"1.0\"?>\n<!-- c -->\n<methodCall >\n <methodName> m\n</methodName>\n<params>\n</params> <!-- c --> </methodCall>\n<!-- c -->\n",
			methodCall{name: "m"},
		},
		"byte order mark": {"\xEF\xBB\xBF<?xml version=\"1.0\"?><methodCall><methodName>m</methodName></methodCall>", methodCall{name: "m"}},
		"name space declared above": {
			`<methodCall xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"><methodName>m</methodName><params><param><value><ex:i8>7</ex:i8></value></param></params></methodCall>`,
			methodCall{name: "m", params: []any{int64(7)}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			call, err := decodeText(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, call, cmp.AllowUnexported(methodCall{})); diff != "" {
				t.Errorf("call (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesDocuments(t *testing.T) {
	bomb := `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>`
	tests := map[string]struct {
		body string
		code int
		text string
	}{
		"empty":               {"", codeNotWellFormed, "too early"},
		"text":                {"hello", codeNotConforming, "text"},
		"JSON":                {`{"a":1}`, codeNotConforming, "text"},
		"HTML":                {"<html></html>", codeNotConforming, `"html"`},
		"response":            {"<methodResponse/>", codeNotConforming, `"methodResponse"`},
		"document type":       {"<!DOCTYPE methodCall>" + callWith("<value/>"), codeNotConforming, "document type"},
		"entity bomb":         {bomb + callWith("<value>&b;</value>"), codeNotConforming, "document type"},
		"external entity":     {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + callWith("<value>&x;</value>"), codeNotConforming, "document type"},
		"white space first":   {" <?xml version='1.0'?>" + callWith("<value/>"), codeNotConforming, "very start"},
		"version 1.1":         {"<?xml version='1.1'?>" + callWith("<value/>"), codeNotWellFormed, "version"},
		"no name":             {"<methodCall/>", codeNotConforming, "methodName is missing"},
		"empty name":          {"<methodCall><methodName/></methodCall>", codeNotConforming, "method name"},
		"space in name":       {"<methodCall><methodName>a b</methodName></methodCall>", codeNotConforming, "method name"},
		"letter beyond ASCII": {"<methodCall><methodName>é</methodName></methodCall>", codeNotConforming, "method name"},
		"long name":           {"<methodCall><methodName>" + strings.Repeat("a", 129) + "</methodName></methodCall>", codeNotConforming, "method name"},
		"params first":        {"<methodCall><params/><methodName>m</methodName></methodCall>", codeNotConforming, `"params"`},
		"params twice":        {"<methodCall><methodName>m</methodName><params/><params/></methodCall>", codeNotConforming, `"params"`},
		"param, no value":     {callWith(""), codeNotConforming, "value is missing"},
		"param, two values":   {callWith("<value/><value/>"), codeNotConforming, `"value"`},
		"not a param":         {"<methodCall><methodName>m</methodName><params><value/></params></methodCall>", codeNotConforming, `"value"`},
		"junk after the root": {callWith("<value/>") + "x", codeNotConforming, "follows"},
		"second root":         {callWith("<value/>") + "<a/>", codeNotConforming, "follows"},
		"broken second root":  {callWith("<value/>") + "<a", codeNotWellFormed, ""},
		"instruction after":   {callWith("<value/>") + "<?x y?>", codeNotConforming, "processing"},
		"UTF-16":              {"\xff\xfe<\x00m\x00", codeNotWellFormed, ""},
		"encoding":            {"<?xml version='1.0' encoding='utf-16'?>" + callWith("<value/>"), codeUnsupportedEncoding, `"utf-16"`},
		"20,000 levels":       {callWith("<value>" + strings.Repeat("<array><data><value>", 20_000)), codeNotConforming, ""},
		"20,000 elements":     {strings.Repeat("<a>", 20_000), codeNotConforming, `"a"`},
		"64 KiB of comment":   {"<!--" + strings.Repeat("x", smallBody) + "-->" + callWith("<value/>"), codeNotConforming, "longer"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeText(tt.body)
			wantFault(t, err, tt.code, tt.text)
		})
	}
}

// Every proper beginning of a call is refused as cut off.
func TestDecodeTruncated(t *testing.T) {
	body := `<?xml version="1.0"?>` + callWith("<value><struct><member><name>a</name><value><base64>aGVsbG8=</base64></value></member></struct></value>")
	for i := range len(body) {
		if _, err := decodeText(body[:i]); err == nil || faultOf(err).code != codeNotWellFormed {
			t.Fatalf("%q: got %v, want fault %d", body[:i], err, codeNotWellFormed)
		}
	}
}

func TestDecodeBodyLimits(t *testing.T) {
	head := "<methodCall><methodName>m</methodName><params><param><value>"
	tail := "</value></param></params></methodCall>"
	ofLength := func(n int) string { return head + strings.Repeat("x", n-len(head)-len(tail)) + tail }
	tests := map[string]struct {
		length int
		large  bool
		fits   bool
	}{
		"small, full":     {smallBody, false, true},
		"small, one more": {smallBody + 1, false, false},
		"large, full":     {largeBody, true, true},
		"large, one more": {largeBody + 1, true, false},
		"2 MiB":           {2 << 20, true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := strings.NewReader(ofLength(tt.length))
			_, err := decodeCall(body, "", func(string) bool { return tt.large })
			if tt.fits {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantFault(t, err, codeNotConforming, "longer")
			if read := tt.length - body.Len(); read > largeBody+1 {
				t.Errorf("read %d bytes of the body", read)
			}
		})
	}
}

func TestDecodeCharsets(t *testing.T) {
	utf8, latin1 := callWith("<value>é</value>"), callWith("<value>\xe9</value>")
	declared := func(charset, body string) string {
		return `<?xml version="1.0" encoding="` + charset + `"?>` + body
	}
	tests := map[string]struct {
		charset string // of the Content-Type
		body    string
	}{
		"none":                   {"", utf8},
		"declared UTF-8":         {"", declared("UTF-8", utf8)},
		"declared US-ASCII":      {"", declared("US-ASCII", callWith("<value>&#233;</value>"))},
		"declared ISO-8859-1":    {"", declared("ISO-8859-1", latin1)},
		"outside ISO-8859-1":     {"ISO-8859-1", latin1},
		"outside wins":           {"iso-8859-1", declared("UTF-8", latin1)},
		"outside wins, inverse":  {"utf-8", declared("ISO-8859-1", utf8)},
		"outside wins, unknown":  {"utf-8", declared("KOI8-R", utf8)},
		"byte order mark wins":   {"iso-8859-1", "\xEF\xBB\xBF" + utf8},
		"mark wins over foreign": {"koi8-r", "\xEF\xBB\xBF" + utf8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			call, err := decodeCall(strings.NewReader(tt.body), tt.charset, func(string) bool { return false })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]any{"é"}, call.params); diff != "" {
				t.Errorf("params (-want +got):\n%s", diff)
			}
		})
	}
	_, err := decodeCall(strings.NewReader(utf8), "koi8-r", func(string) bool { return false })
	wantFault(t, err, codeUnsupportedEncoding, "koi8-r")
}

// A fault must not repeat the value: it may be a password.
func TestDecodeFaultHidesValue(t *testing.T) {
	for _, value := range []string{"<int>s3cret</int>", "<base64>s3cret!</base64>", "<boolean>s3cret</boolean>", "<dateTime.iso8601>s3cret</dateTime.iso8601>"} {
		_, err := decodeText(callWith("<value>" + value + "</value>"))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", value, err)
		}
	}
}
