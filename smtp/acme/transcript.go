package acme

import (
	"fmt"
	"strings"
)

// transcript hands each step on and keeps it for the alert.
type transcript struct {
	tell  tell
	steps []string
}

func (t *transcript) step(format string, args ...any) {
	t.tell(format, args...)
	t.steps = append(t.steps, fmt.Sprintf(format, args...))
}

func (t *transcript) text() string { return strings.Join(t.steps, "\n") }
