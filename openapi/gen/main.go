// Command gen writes the OpenAPI document of the REST interface.
//
// swag reads the comments of the handlers into Swagger 2 (the version in which
// it is right), openapi2conv raises that to OpenAPI 3.0, and conventions.go adds
// what all operations of a shape have in common. The program is a module of its
// own, so that its dependencies are not those of the product.
//
// Usage, from this folder: go run . -root ../..
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/yaml"
	"github.com/swaggo/swag"
)

func main() {
	root := flag.String("root", "../..", "folder of the main module")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	doc, err := parse(root)
	if err != nil {
		return err
	}
	if err := finish(doc, filepath.Join(root, "openapi", "examples")); err != nil {
		return err
	}
	if doc, err = reload(doc); err != nil {
		return err
	}
	return write(doc, filepath.Join(root, "openapi"))
}

// textTypes are types of the domain that travel as text; swag sees only their
// fields.
var textTypes = map[string]string{
	"postern/domain/mailaddr.DomainName":      "string",
	"postern/domain/mailaddr.HostPattern":     "string",
	"postern/domain/mailaddr.EndpointPattern": "string",
	"postern/domain/mailaddr.SenderPattern":   "string",
	"postern/domain/policy.TLSLevel":          "string",
	"postern/domain/policy.TLSVersion":        "string",
	"postern/domain/policy.ListenerTLS":       "string",
	"postern/domain/delivery.Status":          "string",
	"net/netip.Addr":                          "string",
}

// parse reads the comments and returns them as OpenAPI 3.
func parse(root string) (*openapi3.T, error) {
	parser := swag.New(
		swag.SetStrict(true),
		swag.SetOverrides(textTypes),
		swag.SetDebugger(log.New(new(bytes.Buffer), "", 0)),
	)
	parser.RequiredByDefault = false
	folders := []string{
		filepath.Join(root, "api", "rest"),
		filepath.Join(root, "domain"),
	}
	if err := parser.ParseAPIMultiSearchDir(folders, "doc.go", 1); err != nil {
		return nil, fmt.Errorf("read the comments: %w", err)
	}
	data, err := json.Marshal(parser.GetSwagger())
	if err != nil {
		return nil, err
	}
	var doc2 openapi2.T
	if err := json.Unmarshal(plainNames(data), &doc2); err != nil {
		return nil, fmt.Errorf("read swag's document: %w", err)
	}
	return openapi2conv.ToV3(&doc2)
}

// reload writes and reads the document, so that every reference in it is
// resolved, and validates it.
func reload(doc *openapi3.T) (*openapi3.T, error) {
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	loaded, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("load the document: %w", err)
	}
	if err := loaded.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("the document is not valid: %w", err)
	}
	return loaded, nil
}

func write(doc *openapi3.T, folder string) error {
	data, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	if err := os.WriteFile(filepath.Join(folder, "openapi.json"), indented.Bytes(), 0o644); err != nil {
		return err
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "openapi.yaml"), text, 0o644)
}
