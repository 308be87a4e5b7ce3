package rest

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"postern/domain"
)

// malformedError is a request that the grammar of the API does not allow at
// all, whatever its values mean: no JSON, unknown fields, doubled keys, a query
// parameter that cannot be read. It is answered with 400, where a value that
// breaks a rule gets 422.
type malformedError struct {
	detail string
	faults domain.Faults
}

// Error returns the detail with all faults.
func (e *malformedError) Error() string {
	words := []string{e.detail}
	for _, fault := range e.faults {
		words = append(words, fault.String())
	}
	return strings.Join(words, "; ")
}

// decodeStrict reads a body into a new T and accepts nothing that encoding/json
// would forgive: unknown fields, keys of another case, doubled keys, null where
// a value is needed. All faults are reported at once, with JSON pointers: as a
// *malformedError where one of them is of syntax, else as an Invalid
// *domain.Error.
//
// A field that must be present is tagged `validate:"required"`, which the
// OpenAPI generator reads too; a field whose absence means something is a
// pointer.
func decodeStrict[T any](data []byte) (T, error) {
	value, faults, err := decodeParts[T](data)
	if err == nil {
		err = faults.Err()
	}
	return value, err
}

// decodeParts is decodeStrict for callers who judge what could be read beside
// what could not: faults of type are returned with the value, which is zero at
// their places. Where nothing can be made of the rest, they are the error.
func decodeParts[T any](data []byte) (value T, faults domain.Faults, err error) {
	node, syntax := parseTree(data)
	check := typeChecker{malformed: len(syntax) > 0, faults: faultList{syntax}}
	if node.raw != nil {
		check.value(node, reflect.TypeFor[T](), "")
	}
	faults = check.faults.list
	whole := slices.ContainsFunc(faults, func(f domain.Fault) bool { return f.Pointer == "" })
	if check.malformed || whole {
		return value, nil, check.err()
	}
	err = json.Unmarshal(node.without(faults), &value)
	switch {
	case err == nil:
		return value, faults, nil
	case len(faults) > 0:
		return value, nil, faults.Err()
	}
	return value, nil, &domain.Error{Kind: domain.Invalid, Detail: "the body does not fit this resource", Err: err}
}

// checkPatch judges a JSON merge patch (RFC 7396) for documents of type T, where
// null deletes and nothing is required. What the patch makes of a document is
// judged again as a whole by decodeStrict.
func checkPatch[T any](patch []byte) error {
	node, syntax := parseTree(patch)
	check := typeChecker{malformed: len(syntax) > 0, faults: faultList{syntax}, patch: true}
	if node.raw != nil {
		check.value(node, reflect.TypeFor[T](), "")
	}
	return check.err()
}

// typeChecker compares a JSON value with the Go type that is to hold it.
type typeChecker struct {
	patch     bool
	malformed bool
	faults    faultList
}

func (c *typeChecker) err() error {
	if c.malformed {
		return &malformedError{detail: "The body cannot be read as a document of this resource.", faults: c.faults.list}
	}
	return c.faults.list.Err()
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType        = reflect.TypeFor[time.Time]()
)

func (c *typeChecker) value(n jsonNode, t reflect.Type, at string) {
	if n.kind == jsonNull {
		c.null(t, at)
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch pointer := reflect.PointerTo(t); {
	case t == timeType:
		c.time(n, at)
	case pointer.Implements(jsonUnmarshaler):
		own := reflect.New(t).Interface().(json.Unmarshaler)
		c.own(own.UnmarshalJSON(n.raw), at)
	case pointer.Implements(textUnmarshaler):
		if c.is(n, jsonString, at) {
			own := reflect.New(t).Interface().(encoding.TextUnmarshaler)
			c.own(own.UnmarshalText([]byte(n.text)), at)
		}
	default:
		c.builtin(n, t, at)
	}
}

// null is a value where anything is, and in a patch it deletes. What is optional
// is left out: the OpenAPI document knows no second way to say so.
func (c *typeChecker) null(t reflect.Type, at string) {
	switch {
	case c.patch || t.Kind() == reflect.Interface:
	case t.Kind() == reflect.Pointer:
		c.faults.add(at, "must not be null: leave it out")
	default:
		c.faults.add(at, "must not be null")
	}
}

// own reports what a type that reads itself says of its value.
func (c *typeChecker) own(err error, at string) {
	if err == nil {
		return
	}
	message := shorten(err.Error(), 200)
	if known, ok := errors.AsType[*domain.Error](err); ok {
		message = known.Detail
	}
	c.faults.add(at, "%s", message)
}

func (c *typeChecker) time(n jsonNode, at string) {
	if !c.is(n, jsonString, at) {
		return
	}
	if _, err := time.Parse(time.RFC3339, n.text); err != nil {
		c.faults.add(at, "must be a time of RFC 3339, like 2026-11-25T08:00:00Z")
	}
}

// is reports whether the value has the JSON type, and a fault if not.
func (c *typeChecker) is(n jsonNode, want jsonKind, at string) bool {
	if n.kind != want {
		c.faults.add(at, "must be %s, not %s", want, n.kind)
	}
	return n.kind == want
}

func (c *typeChecker) builtin(n jsonNode, t reflect.Type, at string) {
	switch t.Kind() {
	case reflect.Struct:
		c.object(n, t, at)
	case reflect.Map:
		c.mapping(n, t, at)
	case reflect.Slice, reflect.Array:
		c.list(n, t, at)
	case reflect.String:
		c.is(n, jsonString, at)
	case reflect.Bool:
		c.is(n, jsonBoolean, at)
	case reflect.Interface:
	default:
		c.number(n, t, at)
	}
}

func (c *typeChecker) list(n jsonNode, t reflect.Type, at string) {
	if t.Elem().Kind() == reflect.Uint8 {
		c.base64(n, at)
		return
	}
	if !c.is(n, jsonArray, at) {
		return
	}
	for i, item := range n.items {
		c.value(item, t.Elem(), fmt.Sprintf("%s/%d", at, i))
	}
}

func (c *typeChecker) base64(n jsonNode, at string) {
	if !c.is(n, jsonString, at) {
		return
	}
	if _, err := base64.StdEncoding.DecodeString(n.text); err != nil {
		c.faults.add(at, "must be base64")
	}
}

func (c *typeChecker) mapping(n jsonNode, t reflect.Type, at string) {
	if !c.is(n, jsonObject, at) {
		return
	}
	for i, key := range n.keys {
		c.value(n.items[i], t.Elem(), at+"/"+escapePointer(key))
	}
}

// number lets encoding/json judge the literal, which knows every range.
func (c *typeChecker) number(n jsonNode, t reflect.Type, at string) {
	if !c.is(n, jsonNumber, at) {
		return
	}
	if json.Unmarshal(n.raw, reflect.New(t).Interface()) == nil {
		return
	}
	c.faults.add(at, "%s", numberRule(t))
}

// numberRule says in words what numbers a Go type holds.
func numberRule(t reflect.Type) string {
	zero := reflect.Zero(t)
	switch {
	case zero.CanUint():
		return fmt.Sprintf("must be a whole number from 0 to %d, written without fraction and exponent",
			uint64(math.MaxUint64)>>(64-t.Bits()))
	case zero.CanInt():
		top := int64(math.MaxInt64) >> (64 - t.Bits())
		return fmt.Sprintf("must be a whole number from %d to %d, written without fraction and exponent", -top-1, top)
	default:
		return "is too large a number"
	}
}

func (c *typeChecker) object(n jsonNode, t reflect.Type, at string) {
	if !c.is(n, jsonObject, at) {
		return
	}
	fields := jsonFields(t)
	present := make(map[string]bool, len(n.keys))
	for i, key := range n.keys {
		field, ok := fields[key]
		if !ok {
			c.unknown(key, fields, at)
			continue
		}
		present[key] = true
		c.value(n.items[i], field.typ, at+"/"+escapePointer(key))
	}
	c.missing(fields, present, at)
}

// unknown reports a field that the type does not have, and the one that was
// perhaps meant.
func (c *typeChecker) unknown(key string, fields map[string]jsonField, at string) {
	c.malformed = true
	at += "/" + escapePointer(key)
	for name := range fields {
		if strings.EqualFold(name, key) {
			c.faults.add(at, "is no field here: the case of letters counts, write %q", name)
			return
		}
	}
	c.faults.add(at, "is no field here")
}

func (c *typeChecker) missing(fields map[string]jsonField, present map[string]bool, at string) {
	if c.patch {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name].required && !present[name] {
			c.faults.add(at+"/"+escapePointer(name), "is required")
		}
	}
}

// jsonField is a field of a struct as JSON sees it.
type jsonField struct {
	typ      reflect.Type
	required bool
}

// jsonFields returns the fields of a struct by their JSON names; those of
// embedded structs count as its own.
func jsonFields(t reflect.Type) map[string]jsonField {
	fields := make(map[string]jsonField, t.NumField())
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || (f.Anonymous && name == "") {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = jsonField{typ: f.Type, required: f.Tag.Get("validate") == "required"}
	}
	return fields
}
