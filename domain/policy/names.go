package policy

import (
	"fmt"
	"strings"

	"postern/domain"
)

// nameOf returns the name of an enumeration's value.
func nameOf[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%d", v)
}

// parseName sets v to the value that has the name.
func parseName[T ~uint8](names []string, text []byte, v *T) error {
	for i, name := range names {
		if name == string(text) {
			*v = T(i)
			return nil
		}
	}
	return domain.E(domain.Invalid, "%q is unknown: use one of %s", text, strings.Join(names, ", "))
}
