package xmlrpc

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"postern/domain"
)

// paramType is the type that a parameter wants.
type paramType string

// The types of parameters that the methods need.
const (
	typeString  paramType = "string"
	typeInt     paramType = "int"
	typeBoolean paramType = "boolean"
	typeArray   paramType = "array"
	typeStrings paramType = "array of strings"
	typeBase64  paramType = "base64"
	typeTime    paramType = "dateTime.iso8601"
)

// wire returns the type as introspection names it.
func (t paramType) wire() string {
	if t == typeStrings {
		return "array"
	}
	return string(t)
}

// param is one parameter of a method: a member of its struct of arguments, or a
// position.
type param struct {
	name     string
	typ      paramType
	optional bool
	help     string
}

// args are the arguments of a call, bound to the parameters of its method: every
// required one is there, and each has the Go type of its parameter: string,
// int64, bool, []byte, time.Time, []any or []string.
type args map[string]any

// arg returns an argument, the zero value where an optional one was left out.
func arg[T any](a args, name string) T {
	value, _ := a[name].(T)
	return value
}

// assign sets the field to an argument, and leaves it where the argument was
// left out.
func assign[T any](field *T, a args, name string) {
	if value, ok := a[name].(T); ok {
		*field = value
	}
}

// bind takes the parameters of a call either as one struct or by position, in
// the order of params. It refuses what does not fit with all faults at once.
func bind(params []param, values []any) (args, error) {
	var faults domain.Faults
	named := positional(params, values, &faults)
	if members, ok := oneStruct(values); ok {
		named = members
		reportUnknown(params, members, &faults)
	}
	bound := args{}
	for _, p := range params {
		// A nil stands for an argument that is left out: clients that fill in a
		// form by position have no other way.
		if named[p.name] != nil {
			bound[p.name] = p.convert(named[p.name], &faults)
		} else if !p.optional {
			faults.Add("/"+p.name, "is required")
		}
	}
	if len(faults) > 0 {
		return nil, badParams(faults)
	}
	return bound, nil
}

// oneStruct returns the members when the call has one struct of arguments. No
// method has a parameter that is itself a struct.
func oneStruct(values []any) (map[string]any, bool) {
	if len(values) != 1 {
		return nil, false
	}
	members, ok := values[0].(map[string]any)
	return members, ok
}

func reportUnknown(params []param, members map[string]any, faults *domain.Faults) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.ContainsFunc(params, func(p param) bool { return p.name == name }) {
			faults.Add("/"+clip(name), "is not a parameter of this method")
		}
	}
}

// positional names the values by their places.
func positional(params []param, values []any, faults *domain.Faults) map[string]any {
	if _, ok := oneStruct(values); ok {
		return nil
	}
	if len(values) > len(params) {
		faults.Add("", "%d arguments, where the method takes at most %d", len(values), len(params))
		values = values[:len(params)]
	}
	named := map[string]any{}
	for i, value := range values {
		named[params[i].name] = value
	}
	return named
}

// convert returns the value in the Go type of the parameter.
func (p param) convert(value any, faults *domain.Faults) any {
	pointer := "/" + p.name
	ok := false
	switch p.typ {
	case typeString:
		_, ok = value.(string)
	case typeInt:
		_, ok = value.(int64)
	case typeBoolean:
		_, ok = value.(bool)
	case typeBase64:
		_, ok = value.([]byte)
	case typeTime:
		_, ok = value.(time.Time)
	case typeArray:
		_, ok = value.([]any)
	case typeStrings:
		if items, isArray := value.([]any); isArray {
			return allStrings(items, pointer, faults)
		}
	}
	if !ok {
		faults.Add(pointer, "is %s, must be %s", typeOf(value), p.typ)
	}
	return value
}

func allStrings(items []any, pointer string, faults *domain.Faults) []string {
	texts := make([]string, len(items))
	for i, item := range items {
		text, ok := item.(string)
		if !ok {
			faults.Add(fmt.Sprintf("%s/%d", pointer, i), "is %s, must be string", typeOf(item))
		}
		texts[i] = text
	}
	return texts
}

// typeOf names the XML-RPC type of a decoded value.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "nil"
	case bool:
		return "boolean"
	case int64:
		return "int"
	case float64:
		return "double"
	case string:
		return "string"
	case []byte:
		return "base64"
	case []any:
		return "array"
	case map[string]any:
		return "struct"
	}
	return "dateTime.iso8601"
}
