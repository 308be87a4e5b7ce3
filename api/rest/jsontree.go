package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"postern/domain"
)

// Bounds on what a body may hold and what is said about it, beside its size.
const (
	maxDepth         = 32   // nesting of objects and arrays
	maxFaults        = 100  // faults reported at once
	maxPointerOctets = 1000 // length of the pointer of one fault
)

// jsonKind is the type of a JSON value.
type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBoolean
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

var jsonKindNames = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}

// String returns the kind with its article, as error messages need it.
func (k jsonKind) String() string { return jsonKindNames[k] }

// jsonNode is one value of a JSON text, with what encoding/json forgets when it
// fills Go values: the spelling and the doubling of keys.
type jsonNode struct {
	kind  jsonKind
	raw   []byte     // the value as it stands in the body
	text  string     // of a string, decoded; of a number, as written
	keys  []string   // of an object, one for each item
	items []jsonNode // of an array or an object
}

// parseTree reads exactly one JSON text (RFC 8259). Duplicate keys are faults
// (the first value is kept); a body that is no JSON yields that one fault.
func parseTree(data []byte) (jsonNode, domain.Faults) {
	if fault := syntaxFault(data); fault != "" {
		return jsonNode{}, domain.Faults{{Message: fault}}
	}
	p := treeParser{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	p.dec.UseNumber()
	node := p.value("")
	return node, p.faults.list
}

// syntaxFault says why data is not one JSON text of bearable depth; empty if it
// is one.
func syntaxFault(data []byte) string {
	if len(bytes.TrimSpace(data)) == 0 {
		return "the body is empty: a JSON document is needed"
	}
	// encoding/json would replace such octets silently.
	if !utf8.Valid(data) {
		return "the body is not UTF-8"
	}
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("not a JSON document: %s, at octet %d", syntax, syntax.Offset)
	}
	if err != nil {
		return "not a JSON document"
	}
	if jsonDepth(data) > maxDepth {
		return fmt.Sprintf("nested deeper than %d levels", maxDepth)
	}
	return ""
}

// jsonDepth returns how deep the objects and arrays of a well-formed JSON text
// are nested.
func jsonDepth(data []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// treeParser builds nodes from the tokens of a text that syntaxFault has passed,
// so that no token can fail.
type treeParser struct {
	data   []byte
	dec    *json.Decoder
	faults faultList
}

func (p *treeParser) value(pointer string) jsonNode {
	start := p.dec.InputOffset()
	node := p.valueOf(p.token(), pointer)
	// Between two tokens there is nothing but white space and separators.
	node.raw = bytes.TrimLeft(p.data[start:p.dec.InputOffset()], " \t\r\n,:")
	return node
}

func (p *treeParser) token() json.Token {
	token, _ := p.dec.Token()
	return token
}

func (p *treeParser) valueOf(token json.Token, pointer string) jsonNode {
	switch v := token.(type) {
	case bool:
		return jsonNode{kind: jsonBoolean}
	case json.Number:
		return jsonNode{kind: jsonNumber, text: v.String()}
	case string:
		return jsonNode{kind: jsonString, text: v}
	case json.Delim:
		if v == '{' {
			return p.object(pointer)
		}
		return p.array(pointer)
	default:
		return jsonNode{kind: jsonNull}
	}
}

func (p *treeParser) array(pointer string) jsonNode {
	node := jsonNode{kind: jsonArray}
	for p.dec.More() {
		node.items = append(node.items, p.value(pointer+"/"+strconv.Itoa(len(node.items))))
	}
	p.token() // the closing bracket
	return node
}

func (p *treeParser) object(pointer string) jsonNode {
	node := jsonNode{kind: jsonObject}
	seen := make(map[string]bool)
	for p.dec.More() {
		key, _ := p.token().(string)
		at := pointer + "/" + escapePointer(key)
		value := p.value(at)
		if seen[key] {
			p.faults.add(at, "the key occurs twice")
			continue
		}
		seen[key] = true
		node.keys, node.items = append(node.keys, key), append(node.items, value)
	}
	p.token() // the closing brace
	return node
}

// escapePointer makes a key a segment of a JSON pointer (RFC 6901 §3).
func escapePointer(key string) string {
	if !strings.ContainsAny(key, "~/") {
		return key
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// without returns the value as JSON, with null in the place of what is at fault.
func (n jsonNode) without(faults domain.Faults) []byte {
	if len(faults) == 0 {
		return n.raw
	}
	bad := make(map[string]bool, len(faults))
	for _, fault := range faults {
		bad[fault.Pointer] = true
	}
	return n.appendWithout(nil, bad, "")
}

func (n jsonNode) appendWithout(out []byte, bad map[string]bool, at string) []byte {
	switch {
	case bad[at]:
		return append(out, "null"...)
	case n.kind == jsonObject:
		out = append(out, '{')
		for i, key := range n.keys {
			out = append(append(separated(out, i), mustJSON(key)...), ':')
			out = n.items[i].appendWithout(out, bad, at+"/"+escapePointer(key))
		}
		return append(out, '}')
	case n.kind == jsonArray:
		out = append(out, '[')
		for i, item := range n.items {
			out = item.appendWithout(separated(out, i), bad, at+"/"+strconv.Itoa(i))
		}
		return append(out, ']')
	}
	return append(out, n.raw...)
}

// separated adds the comma before all members but the first.
func separated(out []byte, i int) []byte {
	if i == 0 {
		return out
	}
	return append(out, ',')
}

// faultList collects faults within bounds: a hostile body must not make a reply
// many times its size.
type faultList struct {
	list domain.Faults
}

func (f *faultList) add(pointer, format string, args ...any) {
	switch {
	case len(f.list) < maxFaults:
		f.list.Add(shorten(pointer, maxPointerOctets), format, args...)
	case len(f.list) == maxFaults:
		f.list.Add("", "further faults are not listed")
	}
}

// shorten cuts a text to at most limit octets, never within a character.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := limit
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
