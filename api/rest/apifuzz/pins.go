package apifuzz

import (
	"regexp"
	"strings"
)

// Pins gives a member of a body the value that it keeps, whatever else is
// changed; false leaves the member to the fuzz. It is told the member's name and
// the value that the document's example has there.
type Pins func(name string, value any) (any, bool)

// Loopback keeps a gateway that is asked on this machine: what it would listen
// on, look up and call is loopback, where nobody answers.
func Loopback(name string, value any) (any, bool) {
	switch name {
	case "address":
		if text, ok := value.(string); ok && strings.Contains(text, "@") {
			return nil, false // of a person
		}
		return "127.0.0.1", true
	case "port":
		return 0, true
	case "servers":
		return []any{"127.0.0.1:9"}, true
	case "smart_host":
		return "127.0.0.1:9", true
	case "url", "uris":
		return local(value), true
	case "next_hops":
		return []any{map[string]any{"host": "127.0.0.1", "port": 9}}, true
	}
	return nil, false
}

var authority = regexp.MustCompile(`//[^/]*`)

// local moves URLs to where nobody answers.
func local(value any) any {
	switch v := value.(type) {
	case string:
		return authority.ReplaceAllString(v, "//127.0.0.1:9")
	case []any:
		moved := make([]any, min(len(v), 1)) // they would all be the same
		for i := range moved {
			moved[i] = local(v[i])
		}
		return moved
	}
	return value
}
