package apifuzz

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"postern/api/rest/contract"
)

// request is what is sent; path and query as they are written.
type request struct {
	method, path, query string
	header              http.Header
	body                []byte
	// anonymous sends no credentials but those in the header.
	anonymous bool
}

// trial is one request and what its reply must be.
type trial struct {
	name    string
	request request
	// statuses are those that are possible; any where it is empty.
	statuses []int
	// refused says that the document forbids the request.
	refused bool
	// pointer is the place in the body that a refusal with faults must name.
	pointer *string
}

// maker makes the trials of one operation.
type maker struct {
	operation contract.Operation
	names     map[string][]string // values for the parameters of paths that exist
	pins      Pins
	random    *rand.Rand
	list      []trial
}

func (m *maker) trials() []trial {
	for range 3 {
		m.add("good request", m.request(), nil)
	}
	m.credentials()
	m.paths()
	for _, ref := range m.operation.Parameters {
		switch ref.Value.In {
		case "query":
			m.query(ref.Value)
		case "header":
			m.header(ref.Value)
		}
	}
	m.add("unknown query parameter", m.withQuery("unknown_parameter=1"), []int{400})
	m.add("query that is no query", m.withQuery("%zz=%"), nil)
	m.add("reply that is not to be had", m.withHeader("Accept", "application/x-unknown"), []int{406})
	m.add("Accept that is none", m.withHeader("Accept", ";;,q=1/*"), nil)
	if m.operation.RequestBody != nil {
		m.bodies()
	}
	return m.list
}

func (m *maker) add(name string, r request, statuses []int) {
	m.list = append(m.list, trial{name: name, request: r, statuses: statuses})
}

// request is one that the document allows.
func (m *maker) request() request {
	r := request{method: m.operation.Method, header: http.Header{}}
	var body any
	if m.operation.RequestBody != nil {
		mediaType, media := m.media()
		r.header.Set("Content-Type", mediaType)
		body = m.sample(media)
		r.body = marshal(body)
	}
	r.path = m.path(body)
	for _, ref := range m.operation.Parameters {
		if p := ref.Value; p.In == "query" && p.Required {
			r.query = url.QueryEscape(p.Name) + "=" + url.QueryEscape(exampleOf(p))
		}
	}
	return r
}

// jsonTypes are the media types of bodies that are one JSON document.
var jsonTypes = []string{"application/json", "application/merge-patch+json"}

func (m *maker) media() (string, *openapi3.MediaType) {
	content := m.operation.RequestBody.Value.Content
	for _, mediaType := range jsonTypes {
		if media := content.Get(mediaType); media != nil {
			return mediaType, media
		}
	}
	if len(content) == 0 {
		return "", nil
	}
	mediaType := slices.Min(slices.Collect(maps.Keys(content)))
	return mediaType, content[mediaType]
}

// sample is a body that the document allows, with the pinned members.
func (m *maker) sample(media *openapi3.MediaType) any {
	body := media.Example
	if body == nil {
		body = sample(media.Schema)
	}
	return pin(body, m.pins)
}

func pin(value any, pins Pins) any {
	switch v := value.(type) {
	case map[string]any:
		pinned := map[string]any{}
		for name, within := range v {
			to, ok := pins(name, within)
			if !ok {
				to = pin(within, pins)
			}
			pinned[name] = to
		}
		return pinned
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = pin(item, pins)
		}
		return items
	}
	return value
}

// path fills the parameters of the path: with the name in the body where it has
// one, else with one that exists, else with the example.
func (m *maker) path(body any) string {
	path := m.operation.Path
	for _, ref := range m.operation.Parameters {
		if p := ref.Value; p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(m.pathValue(p, body)))
		}
	}
	return contract.BasePath + path
}

func (m *maker) pathValue(p *openapi3.Parameter, body any) string {
	if object, ok := body.(map[string]any); ok && !strings.Contains(m.operation.Path, "{"+p.Name+"}/") {
		if name, ok := object[p.Name].(string); ok {
			return name
		}
	}
	collection, _, _ := strings.Cut(m.operation.Path, "/{"+p.Name+"}")
	if known := m.names[collection]; len(known) > 0 {
		return known[m.random.IntN(len(known))]
	}
	return exampleOf(p)
}

func exampleOf(p *openapi3.Parameter) string {
	if p.Example != nil {
		return fmt.Sprint(p.Example)
	}
	return fmt.Sprint(sample(p.Schema))
}

func (m *maker) withQuery(query string) request {
	r := m.request()
	r.query = strings.TrimPrefix(r.query+"&"+query, "&")
	return r
}

func (m *maker) withHeader(name, value string) request {
	r := m.request()
	r.header.Set(name, value)
	return r
}

// credentials: none, and wrong ones, which may come too often.
func (m *maker) credentials() {
	r := m.request()
	r.anonymous = true
	m.add("no credentials", r, []int{http.StatusUnauthorized})
	r = m.withHeader("Authorization", "Digest \x80")
	r.anonymous = true
	m.add("credentials of another scheme", r, []int{http.StatusUnauthorized, http.StatusTooManyRequests})
}

// oddSegments are path segments as they are written.
var oddSegments = []string{
	"%00", "%ff%fe", "%2e%2e", "..%2f..%2fetc", "a%2fb", "%20", "%0d%0aX-Header:%20a", "*", "0", "-1",
	"99999999999999999999", "%F0%9F%A6%86", "'%20OR%201=1", strings.Repeat("a", 300), strings.Repeat("b.", 2000), "%E2%80%AE",
}

func (m *maker) paths() {
	if !strings.Contains(m.operation.Path, "{") {
		return
	}
	for _, segment := range oddSegments {
		r := m.request()
		start := strings.Index(m.operation.Path, "{")
		_, rest, _ := strings.Cut(m.operation.Path[start:], "}")
		if strings.Contains(rest, "{") {
			rest = "/" + segment
		}
		r.path = contract.BasePath + m.operation.Path[:start] + segment + rest
		m.add("path with "+shorten(segment, 30), r, nil)
	}
}

// oddValues are values of parameters that no schema foresees.
var oddValues = []string{
	"", " ", "\x00", "\xff", "a\r\nb: c", "-1", "0", "1e9", "99999999999999999999", "null", "true", "[]", "*",
	"Grüße 郵便 🦆", "%00", "' OR 1=1 --", "2026-02-30T00:00:00Z", strings.Repeat("x", 5000),
}

func (m *maker) query(p *openapi3.Parameter) {
	good := url.QueryEscape(p.Name) + "=" + url.QueryEscape(exampleOf(p))
	m.add("query with "+p.Name, m.withQuery(good), nil)
	m.add("query with "+p.Name+" twice", m.withQuery(good+"&"+good), []int{400})
	for _, value := range slices.Concat(oddValues, bounds(p.Schema)) {
		m.add("query with "+p.Name+" "+shorten(value, 30), m.withQuery(url.QueryEscape(p.Name)+"="+url.QueryEscape(value)), nil)
		m.list[len(m.list)-1].refused = value != "" && forbids(p.Schema, value)
	}
}

// bounds are the values at and beyond the bounds of a schema, and the words that
// it lists.
func bounds(ref *openapi3.SchemaRef) []string {
	var values []string
	if ref.Value.Min != nil {
		values = append(values, plain(*ref.Value.Min), plain(*ref.Value.Min-1))
	}
	if ref.Value.Max != nil {
		values = append(values, plain(*ref.Value.Max), plain(*ref.Value.Max+1))
	}
	for _, word := range ref.Value.Enum {
		values = append(values, fmt.Sprint(word), strings.ToUpper(fmt.Sprint(word)))
	}
	return values
}

// forbids says that a parameter cannot have the value.
func forbids(ref *openapi3.SchemaRef, text string) bool {
	var value any = text
	if !ref.Value.Type.Is("string") {
		if json.Unmarshal([]byte(text), &value) != nil {
			return true
		}
	}
	return ref.Value.VisitJSON(value) != nil
}

// oddHeaders are values of headers; HTTP forbids control characters itself.
var oddHeaders = []string{
	"", "*", `"`, `""`, "W/\"a\"", `"a", "b"`, "a", `"` + strings.Repeat("a", 4000) + `"`, "\xff\xfe", "Grüße", `"\"`, ",,,", `* , "a"`,
}

func (m *maker) header(p *openapi3.Parameter) {
	for _, value := range append(oddHeaders, exampleOf(p)) {
		m.add(p.Name+": "+shorten(value, 30), m.withHeader(p.Name, value), nil)
		m.list[len(m.list)-1].refused = p.Schema.Value.MaxLength != nil && len(value) > int(*p.Schema.Value.MaxLength)
	}
}

func shorten(text string, octets int) string {
	if len(text) > octets {
		return text[:octets] + "…"
	}
	return text
}
