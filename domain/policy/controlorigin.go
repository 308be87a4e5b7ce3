package policy

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// FieldOrigin says where a field of a resolved destination control got its
// value.
type FieldOrigin struct {
	Field string // as in the document: tls_level
	// Entry is the pattern of the destination control that set it, "built-in",
	// or "settings tls.min_version".
	Entry string
}

// Where fields that no entry sets get their values.
const (
	originBuiltIn    = "built-in"
	originMinVersion = "settings tls.min_version" // B9
)

// ControlOrigins says for each field that a destination control has once
// inheritance is resolved which entry set it (B21), sorted by field. The entries
// are those that match, the most specific first; behind them come the built-in
// values.
//
// The fields are those of the document, in which an unset one is left out: a
// field that is new to the entry is covered without a word here.
func ControlOrigins(entries ...DestinationControl) []FieldOrigin {
	layers := append(slices.Clone(entries), BuiltInDestination())
	resolved := layers[0]
	for _, base := range layers[1:] {
		resolved = resolved.Inherit(base)
	}
	var origins []FieldOrigin
	for _, field := range slices.Sorted(maps.Keys(fieldsOf(resolved))) {
		origins = append(origins, FieldOrigin{Field: field, Entry: originOf(field, layers)})
	}
	if resolved.MinVersion == 0 {
		origins = append(origins, FieldOrigin{Field: "min_tls_version", Entry: originMinVersion})
	}
	slices.SortFunc(origins, func(a, b FieldOrigin) int { return cmp.Compare(a.Field, b.Field) })
	return origins
}

// originOf names the first layer that sets the field; the last one is built in.
func originOf(field string, layers []DestinationControl) string {
	for _, layer := range layers[:len(layers)-1] {
		if _, set := fieldsOf(layer)[field]; set {
			return layer.Pattern.String()
		}
	}
	return originBuiltIn
}

// fieldsOf returns the fields that the entry sets, apart from those that are
// about the entry itself.
func fieldsOf(d DestinationControl) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	document, err := json.Marshal(d)
	if err == nil {
		err = json.Unmarshal(document, &fields)
	}
	if err != nil {
		panic(err) // every value of the type has a document
	}
	delete(fields, "pattern")
	delete(fields, "description")
	delete(fields, "report_only")
	return fields
}
