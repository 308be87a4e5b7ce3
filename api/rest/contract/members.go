package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// unknownMembers reports members of a JSON body that the document lacks, which
// validation by schema lets pass.
func unknownMembers(o *openapi3.Operation, response *http.Response, body []byte) error {
	described := o.Responses.Status(response.StatusCode)
	mediaType := response.Header.Get("Content-Type")
	if described == nil || len(body) == 0 || !strings.HasSuffix(mediaType, "json") || mediaType == "application/x-ndjson" {
		return nil
	}
	media := described.Value.Content.Get(mediaType)
	if media == nil {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return unknownIn("", value, media.Schema.Value)
}

func unknownIn(at string, value any, schema *openapi3.Schema) error {
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			if schema.Items == nil {
				break
			}
			if err := unknownIn(fmt.Sprintf("%s/%d", at, i), item, schema.Items.Value); err != nil {
				return err
			}
		}
	case map[string]any:
		return unknownInObject(at, v, schema)
	}
	return nil
}

// unknownInObject holds the members against the properties of the schema and of
// all that it is composed of. An object without any properties is a free one.
func unknownInObject(at string, object map[string]any, schema *openapi3.Schema) error {
	properties := propertiesOf(schema)
	if len(properties) == 0 {
		return nil
	}
	for name, value := range object {
		property, ok := properties[name]
		if !ok {
			return fmt.Errorf("%s/%s is not in the document", at, name)
		}
		if err := unknownIn(at+"/"+name, value, property.Value); err != nil {
			return err
		}
	}
	return nil
}

func propertiesOf(schema *openapi3.Schema) openapi3.Schemas {
	properties := openapi3.Schemas{}
	for name, property := range schema.Properties {
		properties[name] = property
	}
	for _, part := range schema.AllOf {
		for name, property := range propertiesOf(part.Value) {
			properties[name] = property
		}
	}
	return properties
}
