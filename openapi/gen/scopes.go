package main

import (
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// areas are the scopes of paths by their first segment; the rest is
// configuration. A test of the API holds them against its own.
var areas = map[string]string{
	"messages": "queue", "deliveries": "queue", "destinations": "queue", "no-tls-hosts": "queue", "sessions": "queue", "mta-sts-policies": "queue",
	"tls": "tests", "alerts": "alerts", "certificates": "certificates", "acme": "certificates",
	"tokens": "accounts", "administrators": "accounts", "audit-log": "audit",
}

// addScope says for programs which scope a token must have that is held to some.
func addScope(o *openapi3.Operation, method, path string) {
	role, _ := o.Extensions["x-role"].(string)
	area, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	scope, known := areas[area]
	switch {
	case method == http.MethodGet && role == "viewer":
		scope = "read"
	case strings.HasSuffix(path, "/test"):
		scope = "tests"
	case !known:
		scope = "config"
	}
	o.Extensions["x-scope"] = scope
}
