package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// addExamples gives every schema the example in the file of its name, every
// page one of its items, and every operation those of its schemas.
func addExamples(doc *openapi3.T, folder string) error {
	examples, err := readExamples(folder)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(doc.Components.Schemas) {
		if isPage(name) {
			examples[name] = map[string]any{"items": []any{examples[strings.TrimSuffix(name, "Page")]}}
		}
		if example, ok := examples[name]; ok {
			doc.Components.Schemas[name].Value.Example = example
		}
	}
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, operation := range doc.Paths.Value(path).Operations() {
			if err := exampleOperation(operation, examples, folder); err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
		}
	}
	return nil
}

func readExamples(folder string) (map[string]any, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	examples := map[string]any{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var example any
		if err := json.Unmarshal(data, &example); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		examples[strings.TrimSuffix(filepath.Base(file), ".json")] = example
	}
	return examples, nil
}

func exampleOperation(o *openapi3.Operation, examples map[string]any, folder string) error {
	if o.RequestBody != nil {
		if err := exampleTexts(o.OperationID, o.RequestBody.Value.Content, folder); err != nil {
			return err
		}
		if err := exampleContent(o.RequestBody.Value.Content, examples); err != nil {
			return err
		}
	}
	for _, response := range o.Responses.Map() {
		if response.Value == nil {
			continue
		}
		if err := exampleTexts(o.OperationID, response.Value.Content, folder); err != nil {
			return err
		}
		if err := exampleContent(response.Value.Content, examples); err != nil {
			return err
		}
	}
	return nil
}

// textFiles are the names' ends of examples that are no JSON.
var textFiles = map[string]string{
	"text/csv": ".csv", mediaLines: ".ndjson", "image/svg+xml": ".svg", "text/event-stream": ".txt", "text/plain": ".txt",
}

// exampleTexts gives media types that are no JSON the file named after the
// operation.
func exampleTexts(operation string, content openapi3.Content, folder string) error {
	for mediaType, media := range content {
		extension, ok := textFiles[mediaType]
		isPage := mediaType == mediaLines && content["application/json"] != nil
		if !ok || isPage {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, operation+extension))
		if err != nil {
			return err
		}
		media.Example = string(text)
	}
	return nil
}

func exampleContent(content openapi3.Content, examples map[string]any) error {
	for mediaType, media := range content {
		if mediaType == mediaLines && content["application/json"] != nil {
			if err := exampleLines(media, content["application/json"], examples); err != nil {
				return err
			}
			continue
		}
		if _, isText := textFiles[mediaType]; isText {
			continue
		}
		ref := media.Schema
		if ref.Ref == "" && len(ref.Value.AllOf) > 0 {
			ref = ref.Value.AllOf[0]
		}
		example, ok := examples[schemaName(ref)]
		if !ok {
			return fmt.Errorf("there is no file %s.json among the examples", schemaName(ref))
		}
		media.Example = example
	}
	return nil
}

// exampleLines gives a list that is read line by line the items of the page.
func exampleLines(media, page *openapi3.MediaType, examples map[string]any) error {
	if page == nil {
		return fmt.Errorf("a list has no page")
	}
	items, ok := examples[schemaName(page.Schema)].(map[string]any)["items"].([]any)
	if !ok {
		return fmt.Errorf("%s has no items", schemaName(page.Schema))
	}
	var text strings.Builder
	for _, item := range items {
		line, err := json.Marshal(item)
		if err != nil {
			return err
		}
		text.WriteString(string(line) + "\n")
	}
	media.Example = text.String()
	return nil
}
