// Package openapi holds the OpenAPI document of the REST interface and the page
// that shows it to a person.
//
// The document is made by scripts/generate.sh from the comments of the handlers
// in api/rest: swag reads the comments into Swagger 2, and the program in
// openapi/gen raises that to OpenAPI 3 and adds what is common to all
// operations. It is committed, so that a change of the interface shows in
// review, and compared with the routes by a test of api/rest.
//
// The page in docs is Swagger UI (Apache-2.0, see docs/LICENSE), embedded so
// that it works without a connection to anywhere.
package openapi

import (
	"embed"
	"io/fs"
)

//go:embed openapi.json
var documentJSON []byte

//go:embed openapi.yaml
var documentYAML []byte

//go:embed docs
var docs embed.FS

// JSON returns the OpenAPI 3.0 document as JSON. The caller must not change it.
func JSON() []byte { return documentJSON }

// YAML returns the OpenAPI 3.0 document as YAML. The caller must not change it.
func YAML() []byte { return documentYAML }

// Docs returns the files of the documentation page; index.html is the page.
func Docs() fs.FS {
	sub, err := fs.Sub(docs, "docs")
	if err != nil {
		panic(err) // "docs" is embedded above
	}
	return sub
}
