package main

import (
	"net/http"
	"strings"
	"testing"
)

// The documentation page leads to that of the methods of XML-RPC, on the management
// listener and without credentials.
func TestDocumentationOfXMLRPC(t *testing.T) {
	g := newGateway(t, t.TempDir())
	base := "http://" + g.APIAddr() + "/docs/"
	if _, _, page := fetch(t, "GET", base); !strings.Contains(page, `href="xmlrpc"`) {
		t.Error("no link to the methods of XML-RPC")
	}
	status, header, page := fetch(t, "GET", base+"xmlrpc")
	if status != http.StatusOK || !strings.Contains(page, `id="certificate.activate"`) || header.Get("Content-Security-Policy") == "" {
		t.Errorf("got %d, %d octets, policy %q", status, len(page), header.Get("Content-Security-Policy"))
	}
}
