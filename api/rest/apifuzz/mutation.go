package apifuzz

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// mutation is one thing that is changed in a body.
type mutation struct {
	name string
	// at are the members and positions that lead to the place.
	at []string
	// raw takes the place's value, in JSON; nil removes it.
	raw json.RawMessage
	// refused says that the document forbids the result.
	refused bool
}

// mutator collects the mutations of a body.
type mutator struct {
	pins Pins
	list []mutation
}

// mutationsOf returns what may be changed in a body that has the value.
func mutationsOf(ref *openapi3.SchemaRef, value any, pins Pins) []mutation {
	m := mutator{pins: pins}
	m.walk(nil, flat(ref), value)
	return m.list
}

func (m *mutator) add(at []string, name, raw string, refused bool) {
	if !refused && m.pinned(at) {
		return
	}
	m.list = append(m.list, mutation{name, slices.Clone(at), json.RawMessage(raw), refused})
}

// pinned says that the place keeps its value: it gets no other that may be taken.
func (m *mutator) pinned(at []string) bool {
	for _, name := range at {
		if _, pinned := m.pins(name, nil); pinned {
			return true
		}
	}
	return false
}

// walk adds the mutations of a value and of all within it.
func (m *mutator) walk(at []string, schema *openapi3.Schema, value any) {
	m.types(at, schema)
	switch {
	case len(schema.Enum) > 0:
		m.enumeration(at, schema)
	case schema.Type.Is("object"):
		m.object(at, schema, value)
	case schema.Type.Is("array"):
		m.array(at, schema, value)
	case schema.Type.Is("string"):
		m.text(at, schema)
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		m.number(at, schema)
	}
}

// otherTypes are values of all types of JSON.
var otherTypes = []struct{ name, raw string }{
	{"string", `"text"`}, {"integer", "7"}, {"boolean", "true"}, {"object", `{"a":1}`}, {"array", "[[]]"},
}

func (m *mutator) types(at []string, schema *openapi3.Schema) {
	if schema.Type == nil {
		return
	}
	for _, other := range otherTypes {
		if !schema.Type.Is(other.name) && !(schema.Type.Is("number") && other.name == "integer") {
			m.add(at, "is a "+other.name, other.raw, true)
		}
	}
	m.add(at, "is null", "null", !schema.Nullable)
}

func (m *mutator) enumeration(at []string, schema *openapi3.Schema) {
	for _, value := range schema.Enum {
		if word, ok := value.(string); ok && word != "" {
			m.add(at, "is "+word, quote(word), false)
			m.add(at, "is "+word+" in capitals", quote(strings.ToUpper(word)+"X"), true)
		}
	}
}

func (m *mutator) object(at []string, schema *openapi3.Schema, value any) {
	object, _ := value.(map[string]any)
	if len(schema.Properties) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := flat(schema.Properties[name])
		if property.ReadOnly {
			continue
		}
		within, present := object[name]
		if !present {
			within = sample(schema.Properties[name])
		}
		m.walk(append(slices.Clone(at), name), property, within)
		if present && slices.Contains(schema.Required, name) {
			m.add(append(slices.Clone(at), name), "is missing", "", true)
			m.list[len(m.list)-1].raw = nil
		}
	}
	m.add(append(slices.Clone(at), "unknown_member"), "is unknown", "1", true)
	m.doubled(at, object)
}

// doubled writes a key twice, and a key in another case.
func (m *mutator) doubled(at []string, object map[string]any) {
	names := slices.Sorted(maps.Keys(object))
	if len(names) == 0 {
		return
	}
	name := names[0]
	whole := marshal(object)
	again := quote(name) + ":" + string(marshal(object[name]))
	m.add(at, "has "+name+" twice", "{"+again+","+string(whole[1:]), true)
	m.add(at, "has "+name+" in capitals", strings.Replace(string(whole), quote(name), quote(strings.ToUpper(name)), 1), true)
}

func (m *mutator) array(at []string, schema *openapi3.Schema, value any) {
	items, _ := value.([]any)
	if schema.Items == nil {
		return
	}
	item := sample(schema.Items)
	if len(items) > 0 {
		item = items[0]
		m.walk(append(slices.Clone(at), "0"), flat(schema.Items), item)
	}
	m.add(at, "is empty", "[]", schema.MinItems > 0)
	m.add(at, "has the same twice", fmt.Sprintf("[%s,%[1]s]", marshal(item)), false)
	if schema.MaxItems != nil && *schema.MaxItems < 20_000 {
		m.add(at, "has too many", "["+strings.Repeat(string(marshal(item))+",", int(*schema.MaxItems))+string(marshal(item))+"]", true)
	}
}

// oddTexts are texts that programs stumble over; in JSON.
var oddTexts = []struct{ name, raw string }{
	{"is empty", `""`},
	{"is a space", `" "`},
	{"holds NUL", `"a\u0000b"`},
	{"holds CRLF", `"a\r\nSubject: b"`},
	{"holds control characters", `"\u0001\u001b[31m\u007f"`},
	{"is from right to left", `"\u202egnp.exe"`},
	{"holds letters of everywhere", `"Grüße-почта-郵便-🦆"`},
	{"holds a surrogate alone", `"a\ud800b"`},
	{"is no UTF-8", "\"a\xff\xfeb\""},
	{"is a path", `"../../etc/passwd"`},
	{"is a format", `"%s%n{{.}}' OR 1=1 --"`},
	{"is long", `"` + strings.Repeat("x", 70_000) + `"`},
	{"has many labels", `"` + strings.Repeat("a.", 200) + `example"`},
	{"is an address", `"999.1.2.3"`},
}

func (m *mutator) text(at []string, schema *openapi3.Schema) {
	for _, odd := range oddTexts {
		m.add(at, odd.name, odd.raw, false)
	}
	if schema.MaxLength != nil {
		longest := int(min(*schema.MaxLength, 500_000))
		m.add(at, "has the greatest length", quote(strings.Repeat("a", longest)), false)
		m.add(at, "is one too long", quote(strings.Repeat("a", longest+1)), *schema.MaxLength <= 500_000)
	}
	if schema.MinLength > 0 {
		m.add(at, "is one too short", quote(strings.Repeat("a", int(schema.MinLength)-1)), true)
	}
	if schema.Format == "date-time" {
		for _, text := range []string{"yesterday", "2026-02-30T00:00:00Z", "2026-01-01", "99999-01-01T00:00:00Z"} {
			m.add(at, "is "+text, quote(text), true)
		}
	}
}

func (m *mutator) number(at []string, schema *openapi3.Schema) {
	whole := schema.Type.Is("integer")
	m.add(at, "is a fraction", "1.5", whole)
	m.add(at, "is huge", "1e400", true)
	m.add(at, "is beyond 64 bits", "92233720368547758080", whole)
	m.add(at, "is the greatest of 64 bits", strconv.Itoa(math.MaxInt64), schema.Max != nil)
	m.add(at, "is the least of 64 bits", strconv.Itoa(math.MinInt64), schema.Min != nil)
	m.add(at, "is minus zero", "-0", false)
	if schema.Max != nil {
		m.add(at, "is the maximum", plain(*schema.Max), false)
		m.add(at, "is above the maximum", plain(*schema.Max+1), true)
	}
	if schema.Min != nil {
		m.add(at, "is the minimum", plain(*schema.Min), false)
		m.add(at, "is below the minimum", plain(*schema.Min-1), true)
	}
}

// apply returns the body with the mutation made in it.
func (m mutation) apply(body any) []byte {
	if len(m.at) == 0 {
		return m.raw
	}
	return marshal(put(body, m.at, m.raw))
}

// put returns the value with another one at the place; what leads there and is
// missing is made.
func put(value any, at []string, raw json.RawMessage) any {
	if len(at) == 0 {
		return raw
	}
	if items, ok := value.([]any); ok {
		position, err := strconv.Atoi(at[0])
		if err != nil || position >= len(items) {
			return []any{put(nil, at[1:], raw)}
		}
		items = slices.Clone(items)
		items[position] = put(items[position], at[1:], raw)
		return items
	}
	object, _ := value.(map[string]any)
	object = maps.Clone(object)
	if object == nil {
		object = map[string]any{}
	}
	if len(at) == 1 && raw == nil {
		delete(object, at[0])
		return object
	}
	object[at[0]] = put(object[at[0]], at[1:], raw)
	return object
}

// pointer is the place as a JSON pointer (RFC 6901).
func (m mutation) pointer() string {
	var b strings.Builder
	for _, step := range m.at {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// marshal writes JSON as it is, whatever the raw parts within hold.
func marshal(value any) []byte {
	switch v := value.(type) {
	case json.RawMessage:
		return v
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, quote(name)+":"+string(marshal(v[name])))
		}
		return []byte("{" + strings.Join(parts, ",") + "}")
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, string(marshal(item)))
		}
		return []byte("[" + strings.Join(parts, ",") + "]")
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // the rest are values that were JSON
	}
	return data
}

func quote(text string) string { return string(marshal(text)) }

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
