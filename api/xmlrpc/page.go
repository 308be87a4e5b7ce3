package xmlrpc

import (
	"bytes"
	_ "embed" // the template of the page
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// pagePolicy lets the page use its own style and nothing else (CSP level 3).
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page.html
var pageText string

// Page returns the documentation of all methods as a page for people. It is made of
// the method table, as introspection is; like that it holds no secret and needs no
// credentials.
func (s *Server) Page() http.Handler {
	page := template.Must(template.New("page").Parse(pageText))
	var content bytes.Buffer
	if err := page.Execute(&content, s.chapters()); err != nil {
		panic(err) // the template and the table are part of the program
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-cache")
		_, _ = w.Write(content.Bytes()) // a client that is gone needs no page
	})
}

// chapter is what the page says of one method.
type chapter struct {
	Name, Help string
	Forms      []string // as "boolean (string, int)"
}

func (s *Server) chapters() []chapter {
	var all []chapter
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		m := s.methods[name]
		all = append(all, chapter{Name: name, Help: m.text(), Forms: m.forms()})
	}
	return all
}

// forms writes the signatures for people.
func (m *method) forms() []string {
	var all []string
	for _, signature := range m.signatures() {
		types, _ := signature.([]string)
		all = append(all, types[0]+" ("+strings.Join(types[1:], ", ")+")")
	}
	return all
}
