package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// lastRule is the highest number of the rules of behaviour.
const lastRule = 78

// missingRules are numbers that no rule has.
var missingRules = map[int]bool{35: true, 36: true, 37: true, 38: true, 39: true, 40: true}

// CONFORMANCE.md has a row for every rule, and what it names exists: a test that
// was renamed or removed takes its claim along.
func TestConformanceNamesWhatExists(t *testing.T) {
	root := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "CONFORMANCE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= lastRule; n++ {
		if !missingRules[n] && !strings.Contains(string(text), fmt.Sprintf("\n| B%d ", n)) {
			t.Errorf("B%d has no row", n)
		}
	}
	tests, files := namesIn(t, root)
	for _, name := range regexp.MustCompile("`([A-Za-z0-9_./-]+)`").FindAllStringSubmatch(string(text), -1) {
		switch name := name[1]; {
		case strings.HasPrefix(name, "Test") && !tests[name]:
			t.Errorf("there is no test %s", name)
		case strings.HasSuffix(name, ".smtp") && !files[name]:
			t.Errorf("there is no dialogue %s", name)
		}
	}
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// namesIn lists the tests of the module and the base names of its dialogues.
func namesIn(t *testing.T, root string) (tests, files map[string]bool) {
	t.Helper()
	tests, files = map[string]bool{}, map[string]bool{}
	test := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[filepath.Base(path)] = true
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range test.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests, files
}
