package main

import (
	"path"

	"github.com/getkin/kin-openapi/openapi3"
)

// draftReads finds the operations that can work on a draft, beside those whose
// shape says so: what can be written into one can be read from it, one by one and
// as a list. Others say so by x-draft.
func draftReads(doc *openapi3.T) map[*openapi3.Operation]bool {
	found := map[*openapi3.Operation]bool{}
	for at, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			if marked, _ := operation.Extensions["x-draft"].(bool); marked {
				found[operation] = true
			}
			delete(operation.Extensions, "x-draft")
		}
		if item.Put == nil || item.Put.Extensions["x-shape"] != "replace" {
			continue
		}
		found[item.Get] = true
		if list := doc.Paths.Value(path.Dir(at)); list != nil && list.Get != nil && list.Get.Extensions["x-shape"] == "list" {
			found[list.Get] = true
		}
	}
	return found
}

// addChange lets an operation name a draft; one that has ended is 409.
func addChange(o *openapi3.Operation) {
	o.Parameters = append(o.Parameters, &openapi3.ParameterRef{Ref: "#/components/parameters/Change"})
	for _, code := range []string{"404", "409"} {
		o.Responses.Set(code, &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription("")})
	}
}
