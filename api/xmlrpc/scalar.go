package xmlrpc

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// scalarParser returns the parser of a scalar type by the name of its element,
// nil for an unknown one. The extension types come with and without the prefix,
// as clients differ.
func scalarParser(element string) func(text string) (any, error) {
	switch element {
	case "i4", "int":
		return parseInt32
	case "i8", "ex:i8":
		return parseInt64
	case "boolean":
		return parseBoolean
	case "double":
		return parseDouble
	case "string":
		return parseString
	case "dateTime.iso8601":
		return parseDateTime
	case "base64":
		return parseBase64
	case "nil", "ex:nil":
		return parseNil
	}
	return nil
}

func parseInt32(text string) (any, error) { return parseInt(text, 32) }

func parseInt64(text string) (any, error) { return parseInt(text, 64) }

// parseInt admits what the specification does: an optional sign and digits,
// leading zeros, no white space. A number that does not fit is refused, never
// cut.
func parseInt(text string, bits int) (any, error) {
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return nil, newBadValue("an integer consists of an optional sign and digits, and fits " + strconv.Itoa(bits) + " bits")
	}
	return n, nil
}

func parseBoolean(text string) (any, error) {
	switch text {
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	return nil, newBadValue("a boolean is 0 or 1")
}

// parseDouble admits an exponent too, which the specification does not, because
// Python's client sends one. Infinity and not-a-number have no form in XML-RPC.
func parseDouble(text string) (any, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "+-.0123456789eE") != "" {
		return nil, newBadValue("a double is a finite decimal number")
	}
	return f, nil
}

func parseString(text string) (any, error) { return text, nil }

// parseDateTime admits the basic form of the specification and the extended one
// of ISO 8601, both with or without fraction and zone. The specification leaves
// the zone to the server: a time without one is UTC here.
func parseDateTime(text string) (any, error) {
	for _, layout := range [...]string{
		"20060102T15:04:05", "20060102T15:04:05Z07:00", "20060102T15:04:05Z0700",
		"2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700",
	} {
		t, err := time.Parse(layout, text)
		if err == nil && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 {
			return t.UTC(), nil
		}
	}
	return nil, newBadValue("a dateTime.iso8601 looks like 20060102T15:04:05, in UTC unless it names a zone")
}

// parseBase64 lets white space break lines anywhere (RFC 2045 §6.8), and wants
// the padding right.
func parseBase64(text string) (any, error) {
	packed := strings.Map(func(r rune) rune {
		if strings.ContainsRune(xmlSpace, r) {
			return -1
		}
		return r
	}, text)
	data, err := base64.StdEncoding.Strict().DecodeString(packed)
	if err != nil {
		return nil, newBadValue("not valid base64 with padding")
	}
	return data, nil
}

func parseNil(text string) (any, error) {
	if strings.Trim(text, xmlSpace) != "" {
		return nil, newBadValue("a nil is empty")
	}
	return nil, nil
}
