package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the prefix of our import paths. In the tables below our packages
// stand without it, and a pattern reads as in go list: "domain/..." is domain
// and all below it.
const module = "postern"

// smtptest holds helpers for tests. Tests of all rooms may import it, and
// nothing else may.
const smtptest = "smtp/smtptest"

// importRow says what the packages of a pattern may import of ours; never
// overrules may.
type importRow struct {
	pkg        string
	may, never []string
}

func (r importRow) allows(imported string) bool {
	return matchesAny(r.may, imported) && !matchesAny(r.never, imported)
}

// importTable covers every package of ours; the first row that matches decides.
// A package without a row fails: give it a room.
var importTable = []importRow{
	// The domain knows no other room. Names and events lie at its bottom.
	{pkg: "domain"},
	{pkg: "domain/mailaddr", may: []string{"domain"}},
	{pkg: "domain/event", may: []string{"domain"}},
	{pkg: "domain/policy/...", may: []string{"domain", "domain/mailaddr"}},
	{pkg: "domain/...", may: []string{"domain/..."}},

	{pkg: "persistence/...", may: []string{"domain/...", "persistence/..."}},

	// Leaves parse, format and look up; they know no configuration.
	{pkg: "smtp/dane/...", may: []string{"domain", "domain/mailaddr", "smtp/dns"}},
	{pkg: "smtp/dkim/...", may: []string{"domain", "domain/mailaddr", "smtp/dns"}},
	{pkg: "smtp/dns/...", may: []string{"domain", "domain/mailaddr"}},
	{pkg: "smtp/reply/...", may: []string{"domain", "domain/mailaddr"}},
	{pkg: "smtp/tlsrpt/...", may: []string{"domain", "domain/mailaddr", "smtp/dns"}},

	// Receiving and sending meet in the queue alone.
	{pkg: "smtp/inbound/...", may: []string{"domain/...", "smtp/..."}, never: []string{"smtp/outbound/..."}},
	{pkg: "smtp/outbound/...", may: []string{"domain/...", "smtp/..."}, never: []string{"smtp/inbound/..."}},
	{pkg: "smtp/smtptest/...", may: []string{"domain/...", "smtp/dns", "smtp/reply"}},
	{pkg: "smtp/...", may: []string{"domain/...", "smtp/..."}},

	// The edges call the domain and do not know each other.
	{pkg: "api/ops/...", may: []string{"domain/...", "openapi", "api/ops/..."}},
	{pkg: "api/web/...", may: []string{"domain/...", "api/web/..."}},
	{pkg: "api/rest/...", may: []string{"domain/...", "openapi", "api/rest/..."}},
	{pkg: "api/wellknown/...", may: []string{"domain/...", "openapi", "api/wellknown/..."}},
	{pkg: "api/xmlrpc/...", may: []string{"domain/...", "openapi", "api/xmlrpc/..."}},
	{pkg: "openapi/...", may: []string{"openapi/..."}},

	// One place wires them all.
	{pkg: "cmd/postern/...", may: []string{"..."}},
	{pkg: "cmd/archtest"},
	{pkg: "scripts/interop/apifuzz", may: []string{"api/rest/..."}},
	{pkg: "scripts/..."},
}

// owners says which rooms alone may import a foreign package; a prefix stands
// for all below it. Tests anywhere may too, unless strict.
var owners = []struct {
	prefix string
	rooms  []string
	strict bool
}{
	{prefix: "database/sql", rooms: []string{"persistence/..."}, strict: true},
	{prefix: "gorm.io", rooms: []string{"persistence/..."}, strict: true},
	{prefix: "github.com/mattn/go-sqlite3", rooms: []string{"persistence/..."}, strict: true},
	{prefix: "github.com/pressly/goose", rooms: []string{"persistence/..."}, strict: true},
	{prefix: "github.com/emersion/go-sasl", rooms: []string{"smtp/outbound/..."}},
	{prefix: "github.com/emersion/go-smtp", rooms: []string{"smtp/inbound/...", "smtp/smtptest/...", "cmd/postern/..."}},
	{prefix: "github.com/evanphx/json-patch", rooms: []string{"api/rest/..."}},
	{prefix: "github.com/getkin/kin-openapi", rooms: []string{"api/rest/...", "openapi/..."}},
	{prefix: "github.com/kolo/xmlrpc", rooms: []string{"api/xmlrpc/...", "cmd/postern/...", "scripts/interop/..."}},
	{prefix: "github.com/labstack/echo", rooms: []string{"api/..."}},
	{prefix: "github.com/miekg/dns", rooms: []string{"smtp/dns/...", "smtp/smtptest/..."}},
	{prefix: "github.com/pires/go-proxyproto", rooms: []string{"smtp/inbound/..."}},
	{prefix: "github.com/prometheus", rooms: []string{"api/ops/...", "cmd/postern/...", "smtp/..."}},
	{prefix: "github.com/spf13", rooms: []string{"cmd/postern/..."}},
	{prefix: "github.com/swaggo", rooms: []string{"openapi/..."}},
	{prefix: "github.com/google/go-cmp"},
	{prefix: "go.uber.org/goleak"},
	{prefix: "pgregory.net/rapid"},
}

// domainForeign are the foreign modules that domain may import: those that
// compute and nothing else.
var domainForeign = []string{
	"github.com/gaissmai/bart",
	"golang.org/x/crypto",
	"golang.org/x/net/idna",
	"golang.org/x/text",
	"software.sslmate.com/src/go-pkcs12",
}

// domainForbids are the standard packages that domain may not import: it does
// no I/O and does not log.
var domainForbids = []string{"database/sql", "log", "net/http", "net/smtp", "os", "os/exec", "syscall"}

// domainUses are standard packages that domain may import for these names
// alone: values, nothing that dials, resolves or logs.
var domainUses = map[string][]string{
	"log/slog": {"Attr", "GroupValue", "LogValuer", "String", "StringValue", "Value"},
	"net":      {"IP", "IPMask", "IPNet", "ParseIP"},
}

// junkRooms are folder names that say nothing about what is inside, and those
// that would add a level to the tree.
var junkRooms = []string{"common", "helpers", "internal", "lib", "misc", "models", "pkg", "types", "util", "utils"}

// badNames is what no exported name may contain: outdated words, and Cert and
// SSL for Certificate and TLS.
var badNames = regexp.MustCompile(`(?i:whitelist|blacklist)|SSL|Ssl|Certs?($|[^a-z])`)

const (
	maxFileLines        = 450
	maxInterfaceMethods = 5
)

// goPackage is what go list says of a package of ours.
type goPackage struct {
	Dir, ImportPath                    string
	GoFiles, CgoFiles                  []string
	Imports, TestImports, XTestImports []string

	path string // ImportPath without the module
}

func (p goPackage) is(pattern string) bool { return matches(pattern, p.path) }

// tests returns what the tests import, in the package and outside it.
func (p goPackage) tests() []string { return slices.Concat(p.TestImports, p.XTestImports) }

// matches reports whether a pattern in the manner of go list picks the path.
func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	root, below := strings.CutSuffix(pattern, "/...")
	return path == root || below && strings.HasPrefix(path, root+"/")
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// hasPrefix reports whether an import path is prefix, a major version of it, or
// below it.
func hasPrefix(imported, prefix string) bool {
	return imported == prefix || strings.HasPrefix(imported, prefix+"/")
}

// ours returns the path within the module, false for a foreign import.
func ours(imported string) (string, bool) {
	return strings.CutPrefix(imported, module+"/")
}

// listPackages returns all packages of the module, those that do not build
// included.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,GoFiles,CgoFiles,Imports,TestImports,XTestImports", module+"/...")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		p.path, _ = ours(p.ImportPath)
		packages = append(packages, p)
	}
}

// TestRules checks every package of the module against the tables above.
func TestRules(t *testing.T) {
	packages := listPackages(t)
	if len(packages) == 0 {
		t.Fatal("go list names no package")
	}
	for _, p := range packages {
		checkOurImports(t, p)
		checkForeignImports(t, p)
		if p.is("domain/...") {
			checkDomainImports(t, p)
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			checkFile(t, p, parseFile(t, filepath.Join(p.Dir, name)))
		}
	}
}

// checkOurImports holds a package to its row of the import table.
func checkOurImports(t *testing.T, p goPackage) {
	t.Helper()
	row := slices.IndexFunc(importTable, func(r importRow) bool { return p.is(r.pkg) })
	if row < 0 {
		t.Errorf("%s: no row of the import table matches it", p.path)
		return
	}
	for _, imported := range p.Imports {
		path, our := ours(imported)
		if our && (!importTable[row].allows(path) || path == smtptest) {
			t.Errorf("%s may not import %s", p.path, path)
		}
	}
	for _, imported := range p.tests() {
		path, our := ours(imported)
		if our && !importTable[row].allows(path) && path != smtptest && path != p.path {
			t.Errorf("tests of %s may not import %s", p.path, path)
		}
	}
}

// checkForeignImports holds a package to the table of owners.
func checkForeignImports(t *testing.T, p goPackage) {
	t.Helper()
	for _, owner := range owners {
		if matchesAny(owner.rooms, p.path) {
			continue
		}
		imports := p.Imports
		if owner.strict {
			imports = slices.Concat(imports, p.tests())
		}
		for _, imported := range imports {
			if hasPrefix(imported, owner.prefix) {
				t.Errorf("%s may not import %s: only %v may", p.path, imported, owner.rooms)
			}
		}
	}
}

// checkDomainImports keeps I/O, logs and frameworks out of the domain.
func checkDomainImports(t *testing.T, p goPackage) {
	t.Helper()
	for _, imported := range p.Imports {
		_, our := ours(imported)
		foreign := !our && strings.Contains(strings.Split(imported, "/")[0], ".")
		allowed := slices.ContainsFunc(domainForeign, func(prefix string) bool { return hasPrefix(imported, prefix) })
		if slices.Contains(domainForbids, imported) || foreign && !allowed {
			t.Errorf("%s may not import %s: domain computes and does nothing else", p.path, imported)
		}
	}
}

// TestFolders checks folder names, with or without Go files in them.
func TestFolders(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return err
		case name != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case slices.Contains(junkRooms, entry.Name()):
			t.Errorf("%s: name the folder after what is inside", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"domain", "domain", true},
		{"domain", "domain/policy", false},
		{"domain/...", "domain", true},
		{"domain/...", "domain/policy", true},
		{"domain/...", "domains", false},
		{"smtp/dns/...", "smtp/dnssec", false},
		{"...", "cmd/postern", true},
	}
	for _, tt := range tests {
		if got := matches(tt.pattern, tt.path); got != tt.want {
			t.Errorf("matches(%q, %q) = %v", tt.pattern, tt.path, got)
		}
	}
}
