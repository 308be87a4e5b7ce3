package main

import (
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const mergePatch = "application/merge-patch+json"

// addPatchSchemas describes the bodies of PATCH: the document with nothing
// required, in which null deletes (RFC 7396).
func addPatchSchemas(doc *openapi3.T) {
	for _, path := range doc.Paths.InMatchingOrder() {
		operation := doc.Paths.Value(path).Patch
		if operation == nil || operation.RequestBody == nil {
			continue
		}
		media := operation.RequestBody.Value.Content[mergePatch]
		if media == nil {
			continue
		}
		of := schemaName(media.Schema)
		patch := patchSchema(doc.Components.Schemas[of].Value, doc.Components.Schemas)
		patch.Description = "A merge patch for " + of + ": what is absent stays, null deletes."
		doc.Components.Schemas[of+"Patch"] = patch.NewRef()
		media.Schema = &openapi3.SchemaRef{Ref: media.Schema.Ref + "Patch"}
	}
}

// patchSchema is the patch of a document; patches of objects within it are
// patches again.
func patchSchema(whole *openapi3.Schema, schemas openapi3.Schemas) *openapi3.Schema {
	patch := openapi3.NewObjectSchema()
	patch.Description = whole.Description
	patch.Properties = openapi3.Schemas{}
	for property, ref := range whole.Properties {
		patch.Properties[property] = nullable(ref, schemas).NewRef()
	}
	return patch
}

func nullable(ref *openapi3.SchemaRef, schemas openapi3.Schemas) *openapi3.Schema {
	if ref.Ref != "" {
		patch := patchSchema(schemas[schemaName(ref)].Value, schemas)
		patch.Nullable = true
		return patch
	}
	// A described property of an object type is written as allOf.
	if len(ref.Value.AllOf) == 1 {
		patch := nullable(ref.Value.AllOf[0], schemas)
		patch.Description = ref.Value.Description
		return patch
	}
	schema := *ref.Value
	schema.Nullable = true
	if len(schema.Enum) > 0 {
		schema.Enum = append(slices.Clone(schema.Enum), nil)
	}
	return &schema
}

// schemaName is the name of the component that a reference leads to.
func schemaName(ref *openapi3.SchemaRef) string {
	return ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]
}
