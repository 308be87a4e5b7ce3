package main

import (
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// goName is the beginning of a Go comment that names its field; the reader of
// the document sees the field's JSON name beside it.
var goName = regexp.MustCompile(`^[A-Z]\w* (?:is|are) (\w)`)

// finishSchemas turns comments for Go programmers into descriptions for callers.
func finishSchemas(schemas openapi3.Schemas) {
	for _, name := range sortedKeys(schemas) {
		schema := schemas[name].Value
		dropGoNames(schema)
		if isPage(name) {
			schema.Description = "A part of a list, in the order of the list."
		}
		for _, property := range sortedKeys(schema.Properties) {
			finishProperty(schema.Properties[property])
		}
	}
}

func finishProperty(ref *openapi3.SchemaRef) {
	if ref.Value == nil {
		return
	}
	dropGoNames(ref.Value)
	if _, anyValue := ref.Value.Extensions["x-any-value"]; anyValue {
		delete(ref.Value.Extensions, "x-any-value") // which swag cannot say of raw JSON
		ref.Value.Type = nil
	}
	ref.Value.Description = goName.ReplaceAllStringFunc(ref.Value.Description, func(start string) string {
		return strings.ToUpper(start[len(start)-1:])
	})
}

// dropGoNames removes what swag says about the constants of an enumeration, and
// the line breaks of comments.
func dropGoNames(schema *openapi3.Schema) {
	for name := range schema.Extensions {
		if strings.HasPrefix(name, "x-enum") {
			delete(schema.Extensions, name)
		}
	}
	schema.Description = strings.Join(strings.Fields(schema.Description), " ")
}

func isPage(schema string) bool { return strings.HasSuffix(schema, "Page") }

// packageOf matches the package that swag puts before the names of types, and
// the way it writes generic ones: rest.Page-rest_Route.
var (
	genericName = regexp.MustCompile(`"(#/definitions/)?rest\.(\w+)-(?:rest|policy)_(\w+)"`)
	plainName   = regexp.MustCompile(`"(#/definitions/)?(?:rest|policy|delivery|certificate|alert|job|eventlog|webhook)\.(\w+)"`)
)

// plainNames gives the types of swag's document the names that callers know
// them by: Route, RoutePage.
func plainNames(document []byte) []byte {
	document = genericName.ReplaceAll(document, []byte(`"$1$3$2"`))
	return plainName.ReplaceAll(document, []byte(`"$1$2"`))
}
