package xmlrpc

import (
	"html"
	"net/http/httptest"
	"strings"
	"testing"
)

// The page tells of every method what introspection tells.
func TestPageTellsOfEveryMethod(t *testing.T) {
	f := newFixture(t)
	w := httptest.NewRecorder()
	f.Page().ServeHTTP(w, httptest.NewRequest("GET", "/docs/xmlrpc", nil))
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	page := html.UnescapeString(w.Body.String())
	for name, m := range f.methods {
		for _, want := range []string{`<h2 id="` + name + `">`, m.text()} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
	}
	for _, form := range []string{"<code>boolean (struct)</code>", "<code>struct (string, string, boolean)</code>"} {
		if !strings.Contains(page, form) {
			t.Errorf("the page lacks %q", form)
		}
	}
}
