package xmlrpc

import (
	"encoding/xml"
	"errors"
	"strconv"
	"strings"

	"postern/domain"
)

// maxDepth is how deep values may nest. The decoder calls itself once per level,
// so this also bounds its stack.
const maxDepth = 32

// badValue is a value that its type does not admit. The pointer leads to it from
// the parameter that holds it. The value itself is not repeated: it may be a
// secret.
type badValue struct{ domain.Fault }

// Error returns pointer and message.
func (b *badValue) Error() string { return b.Fault.String() }

func newBadValue(message string) *badValue {
	return &badValue{domain.Fault{Message: message}}
}

// under adds a step to the pointer of a bad value that lies below it.
func under(step string, err error) error {
	var bad *badValue
	if !errors.As(err, &bad) {
		return err
	}
	step = strings.NewReplacer("~", "~0", "/", "~1").Replace(clip(step)) // RFC 6901 §3
	return &badValue{domain.Fault{Pointer: "/" + step + bad.Pointer, Message: bad.Message}}
}

// inParameter turns a bad value within parameter n, counted from one, into the
// fault of the call.
func inParameter(n int, err error) error {
	var bad *badValue
	if !errors.As(err, &bad) {
		return err
	}
	return &fault{code: codeBadParams, text: "parameter " + strconv.Itoa(n) + ": " + bad.Error()}
}

// value reads the rest of a value element at the given depth, the first being
// one.
func (d *decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, notConforming("values nest deeper than %d levels", maxDepth)
	}
	var text strings.Builder
	for {
		token, err := d.next()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			// A value without a type is a string, and white space is a part of it.
			return text.String(), nil
		case xml.StartElement:
			if !isSpace([]byte(text.String())) {
				return nil, notConforming("a value holds both text and an element")
			}
			return d.typed(&t, depth)
		}
	}
}

// typed reads the type element of a value, and then the end of the value.
func (d *decoder) typed(start *xml.StartElement, depth int) (any, error) {
	var value any
	var err error
	switch elementName(start) {
	case "struct":
		value, err = d.structure(depth)
	case "array":
		value, err = d.array(depth)
	default:
		value, err = d.scalar(start)
	}
	if err != nil {
		return nil, err
	}
	return value, d.close()
}

func (d *decoder) scalar(start *xml.StartElement) (any, error) {
	parse := scalarParser(elementName(start))
	if parse == nil {
		return nil, unexpected(start, "a type of XML-RPC")
	}
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// structure reads the rest of a struct element. The specification leaves open
// what a second member of the same name means, so that is refused.
func (d *decoder) structure(depth int) (map[string]any, error) {
	members := map[string]any{}
	for {
		start, err := d.child()
		if err != nil {
			return nil, err
		}
		if start == nil {
			return members, nil
		}
		if elementName(start) != "member" {
			return nil, unexpected(start, "member")
		}
		if err := d.member(members, depth); err != nil {
			return nil, err
		}
	}
}

// member reads the rest of a member element into members.
func (d *decoder) member(members map[string]any, depth int) error {
	if err := d.open("name"); err != nil {
		return err
	}
	name, err := d.text()
	if err != nil {
		return err
	}
	if _, twice := members[name]; twice {
		return under(name, newBadValue("the struct has two members of this name"))
	}
	if err := d.open("value"); err != nil {
		return err
	}
	value, err := d.value(depth + 1)
	if err != nil {
		return under(name, err)
	}
	members[name] = value
	return d.close()
}

// array reads the rest of an array element.
func (d *decoder) array(depth int) ([]any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	items := []any{}
	for {
		start, err := d.child()
		if err != nil {
			return nil, err
		}
		if start == nil {
			return items, d.close()
		}
		if elementName(start) != "value" {
			return nil, unexpected(start, "value")
		}
		item, err := d.value(depth + 1)
		if err != nil {
			return nil, under(strconv.Itoa(len(items)), err)
		}
		items = append(items, item)
	}
}
