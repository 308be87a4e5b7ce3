package apifuzz

import (
	"maps"

	"github.com/getkin/kin-openapi/openapi3"
)

// flat returns the schema with all that it is composed of merged into it.
func flat(ref *openapi3.SchemaRef) *openapi3.Schema {
	whole := *ref.Value
	if len(whole.AllOf) == 0 {
		return &whole
	}
	whole.Properties = maps.Clone(whole.Properties)
	if whole.Properties == nil {
		whole.Properties = openapi3.Schemas{}
	}
	for _, part := range whole.AllOf {
		p := flat(part)
		maps.Copy(whole.Properties, p.Properties)
		whole.Required = append(whole.Required, p.Required...)
		if whole.Type == nil {
			whole.Type = p.Type
		}
		if whole.Example == nil {
			whole.Example = p.Example
		}
	}
	return &whole
}

// sample returns a value that the schema allows: its example where there is one.
func sample(ref *openapi3.SchemaRef) any {
	schema := flat(ref)
	switch {
	case schema.Example != nil:
		return schema.Example
	case schema.Default != nil:
		return schema.Default
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		if schema.Min != nil {
			return *schema.Min
		}
		return 1
	case schema.Type.Is("array"):
		return []any{}
	case schema.Type.Is("object"):
		return sampleObject(schema)
	case schema.Format == "date-time":
		return "2026-11-25T08:00:00Z"
	}
	return "example"
}

func sampleObject(schema *openapi3.Schema) any {
	object := map[string]any{}
	for _, name := range schema.Required {
		if property := schema.Properties[name]; property != nil {
			object[name] = sample(property)
		}
	}
	return object
}
