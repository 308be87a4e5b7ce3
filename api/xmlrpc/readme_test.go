package xmlrpc

import (
	"os"
	"strings"
	"testing"
)

// The README has a row for each method, and for nothing else.
func TestREADMETellsOfEveryMethod(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(name, "`")
			family, _, found := strings.Cut(name, ".")
			if found && isFamily(family) {
				rows[name] = true
			}
		}
	}
	methods := newFixture(t).methods
	for name := range methods {
		if !rows[name] {
			t.Errorf("the README has no row for %s", name)
		}
	}
	for name := range rows {
		if methods[name] == nil {
			t.Errorf("the README tells of %s, which is no method", name)
		}
	}
}

func isFamily(name string) bool {
	switch name {
	case "system", "session", "gateway", "certificate", "acme", "tls", "alert":
		return true
	}
	return false
}
