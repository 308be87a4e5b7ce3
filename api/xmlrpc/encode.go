package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// encodeResponse writes a methodResponse with one value, which may consist of
// the types of [methodCall] and of int, []string and []map[string]any.
func encodeResponse(result any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(declaration + "<methodResponse><params><param>")
	if err := encodeValue(&b, result); err != nil {
		return nil, err
	}
	b.WriteString("</param></params></methodResponse>\n")
	return b.Bytes(), nil
}

// encodeFault writes a methodResponse with a fault.
func encodeFault(f *fault) []byte {
	var b bytes.Buffer
	b.WriteString(declaration + "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>")
	b.WriteString(strconv.Itoa(f.code))
	b.WriteString("</int></value></member><member><name>faultString</name>")
	element(&b, "string", f.text)
	b.WriteString("</member></struct></value></fault></methodResponse>\n")
	return b.Bytes()
}

func encodeValue(b *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case nil:
		b.WriteString("<value><nil/></value>")
	case bool:
		encodeBoolean(b, v)
	case int:
		encodeInt(b, int64(v))
	case int64:
		encodeInt(b, v)
	case float64:
		return encodeDouble(b, v)
	case string:
		element(b, "string", v)
	case time.Time:
		return encodeDateTime(b, v)
	case []byte:
		element(b, "base64", base64.StdEncoding.EncodeToString(v))
	case map[string]any:
		return encodeStruct(b, v)
	case []any:
		return encodeArray(b, v)
	case []string:
		return encodeArray(b, v)
	case []map[string]any:
		return encodeArray(b, v)
	default:
		return fmt.Errorf("XML-RPC has no form for a %T", value)
	}
	return nil
}

// element writes a value of one type element. EscapeText also escapes CR, LF and
// TAB, which a parser would otherwise normalize, and puts U+FFFD for characters
// that XML cannot carry.
func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<value><" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a bytes.Buffer takes every write
	b.WriteString("</" + name + "></value>")
}

func encodeBoolean(b *bytes.Buffer, v bool) {
	text := "0"
	if v {
		text = "1"
	}
	element(b, "boolean", text)
}

// encodeInt writes an int where 32 bits hold it, as the specification wants,
// and else the i8 of the extension.
func encodeInt(b *bytes.Buffer, n int64) {
	name := "int"
	if n < math.MinInt32 || n > math.MaxInt32 {
		name = "i8"
	}
	element(b, name, strconv.FormatInt(n, 10))
}

// encodeDouble writes no exponent: the specification has none.
func encodeDouble(b *bytes.Buffer, f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("XML-RPC has no form for the number %v", f)
	}
	element(b, "double", strconv.FormatFloat(f, 'f', -1, 64))
	return nil
}

// encodeDateTime writes UTC to the second and leaves the zone out, because
// clients refuse the form with one.
func encodeDateTime(b *bytes.Buffer, t time.Time) error {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return fmt.Errorf("XML-RPC has no form for the year %d", t.Year())
	}
	element(b, "dateTime.iso8601", t.Format("20060102T15:04:05"))
	return nil
}

// encodeStruct writes the members in the order of their names, so that the same
// value always gives the same document.
func encodeStruct(b *bytes.Buffer, members map[string]any) error {
	b.WriteString("<value><struct>")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		b.WriteString("<member><name>")
		_ = xml.EscapeText(b, []byte(name)) // a bytes.Buffer takes every write
		b.WriteString("</name>")
		if err := encodeValue(b, members[name]); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
		b.WriteString("</member>")
	}
	b.WriteString("</struct></value>")
	return nil
}

func encodeArray[T any](b *bytes.Buffer, items []T) error {
	b.WriteString("<value><array><data>")
	for i, item := range items {
		if err := encodeValue(b, item); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	b.WriteString("</data></array></value>")
	return nil
}
