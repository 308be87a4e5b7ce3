package delivery

import (
	"fmt"
	"strings"
)

// HeldByFilters is the reason why a message is held that content filters hold
// (B59).
func HeldByFilters(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	if len(names) == 1 {
		return "content filter " + quoted[0]
	}
	return "content filters " + strings.Join(quoted, ", ")
}

// HeldBy is the reason why a message is held that an administrator or the owner
// of a token holds (B76).
func HeldBy(name string) string { return fmt.Sprintf("request of %q", name) }
