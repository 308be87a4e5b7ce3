package rest

import (
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"postern/openapi"
)

func TestDocumentIsServed(t *testing.T) {
	f := newFixture(t)
	a := f.callAs("", "GET", "/openapi.json", "").want(http.StatusOK)
	if string(a.body) != string(openapi.JSON()) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %d octets", a.header.Get("Content-Type"), len(a.body))
	}
	f.callAs("", "GET", "/openapi.json", "", "If-None-Match", a.etag()).want(http.StatusNotModified)
	a = f.callAs("", "GET", "/openapi.yaml", "").want(http.StatusOK)
	if string(a.body) != string(openapi.YAML()) {
		t.Error("another document")
	}
}

// The documentation page and all that it loads come from the gateway itself.
func TestDocumentationPage(t *testing.T) {
	f := newFixture(t)
	if got := f.callAs("", "GET", "/docs", "").want(http.StatusMovedPermanently).header.Get("Location"); got != "/docs/" {
		t.Errorf("/docs leads to %q", got)
	}
	page := f.callAs("", "GET", "/docs/", "").want(http.StatusOK)
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") || strings.Contains(policy, "unsafe-eval") {
		t.Errorf("policy %q", policy)
	}
	loaded := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page.body), -1)
	if len(loaded) < 4 {
		t.Errorf("the page loads %q", loaded)
	}
	for _, link := range loaded {
		switch target := link[1]; {
		case strings.HasPrefix(target, "data:"):
		case target == "xmlrpc": // api/xmlrpc serves it
		case strings.HasPrefix(target, "../"):
			f.callAs("", "GET", strings.TrimPrefix(target, ".."), "").want(http.StatusOK)
		default:
			f.callAs("", "GET", "/docs/"+target, "").want(http.StatusOK)
		}
	}
	script, err := fs.ReadFile(openapi.Docs(), "docs.js")
	if err != nil || regexp.MustCompile(`https?://`).Match(script) {
		t.Errorf("docs.js: %v, or it names another host", err)
	}
	f.callAs("", "GET", "/docs/other.js", "").want(http.StatusNotFound)
	f.callAs("", "GET", "/docs/..%2Fopenapi.go", "").want(http.StatusNotFound)
}
