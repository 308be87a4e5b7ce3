package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/openapi"
)

// docsPolicy lets the documentation page use its own files and call this API,
// and nothing else (CSP level 3). Swagger UI writes style attributes.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerDocs adds the OpenAPI document and the page that shows it. They hold
// no secrets and need no credentials.
func (a *API) registerDocs() {
	a.echo.GET("/openapi.json", staticFile("openapi.json", openapi.JSON()))
	a.echo.GET("/openapi.yaml", staticFile("openapi.yaml", openapi.YAML()))
	a.echo.GET("/docs", func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, "/docs/") })
	a.echo.GET("/docs/", docsFile("index.html"))
	a.echo.GET("/docs/:file", func(c echo.Context) error { return docsFile(c.Param("file"))(c) })
}

func docsFile(name string) echo.HandlerFunc {
	return func(c echo.Context) error {
		content, err := fs.ReadFile(openapi.Docs(), name)
		if err != nil {
			return domain.E(domain.NotFound, "there is no such page")
		}
		c.Response().Header().Set("Content-Security-Policy", docsPolicy)
		return staticFile(name, content)(c)
	}
}

// staticFile serves a file that is part of the program; its entity tag lets a
// browser keep it.
func staticFile(name string, content []byte) echo.HandlerFunc {
	sum := sha256.Sum256(content)
	tag := hex.EncodeToString(sum[:8])
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("Content-Type", staticTypes(path.Ext(name)))
		header.Set("Cache-Control", "no-cache")
		setETag(c, tag)
		http.ServeContent(c.Response(), c.Request(), name, time.Time{}, bytes.NewReader(content))
		return nil
	}
}

// staticTypes does not ask the machine's table of media types, which may lack
// or misname them.
func staticTypes(extension string) string {
	switch extension {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".yaml":
		return "application/yaml" // RFC 9512
	}
	return "text/plain; charset=utf-8"
}
