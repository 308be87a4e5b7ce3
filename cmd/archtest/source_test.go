package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// source is a parsed file.
type source struct {
	name  string
	lines int
	tree  *ast.File
	set   *token.FileSet
}

func parseFile(t *testing.T, name string) source {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{name: name, lines: set.File(tree.Pos()).LineCount(), tree: tree, set: set}
}

// at returns the place of a node for a message.
func (s source) at(node ast.Node) token.Position { return s.set.Position(node.Pos()) }

// checkFile holds one file that is not a test to the rules of its content.
func checkFile(t *testing.T, p goPackage, s source) {
	t.Helper()
	if ast.IsGenerated(s.tree) {
		return
	}
	if s.lines > maxFileLines {
		t.Errorf("%s has %d lines; split it below %d", s.name, s.lines, maxFileLines)
	}
	ast.Inspect(s.tree, func(node ast.Node) bool {
		if methods, ok := node.(*ast.InterfaceType); ok && methods.Methods.NumFields() > maxInterfaceMethods {
			t.Errorf("%s: an interface of %d methods; a caller needs at most %d", s.at(node), methods.Methods.NumFields(), maxInterfaceMethods)
		}
		return true
	})
	for _, decl := range s.tree.Decls {
		checkDeclaration(t, s, decl)
	}
	if p.is("domain/...") {
		checkDomainUses(t, s)
	}
}

// checkDeclaration refuses init functions and bad exported names.
func checkDeclaration(t *testing.T, s source, decl ast.Decl) {
	t.Helper()
	if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
		t.Errorf("%s: no init functions: construct, and hand over", s.at(f))
	}
	for _, name := range declaredNames(decl) {
		if name.IsExported() && badNames.MatchString(name.Name) {
			t.Errorf("%s: %s is not a name of this house", s.at(name), name.Name)
		}
	}
}

// declaredNames returns the names that a declaration at the top level makes.
func declaredNames(decl ast.Decl) []*ast.Ident {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		return []*ast.Ident{decl.Name}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name)
			case *ast.ValueSpec:
				names = append(names, spec.Names...)
			}
		}
		return names
	}
	return nil
}

// checkDomainUses refuses names of standard packages that act on the world.
func checkDomainUses(t *testing.T, s source) {
	t.Helper()
	allowed := make(map[string][]string) // by the package's name in the file
	for _, spec := range s.tree.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		if names, restricted := domainUses[imported]; restricted && spec.Name == nil {
			allowed[path.Base(imported)] = names
		} else if restricted {
			t.Errorf("%s: import %s by its own name", s.at(spec), imported)
		}
	}
	ast.Inspect(s.tree, func(node ast.Node) bool {
		use, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := use.X.(*ast.Ident)
		if !ok {
			return true
		}
		if names, restricted := allowed[pkg.Name]; restricted && !slices.Contains(names, use.Sel.Name) {
			t.Errorf("%s: domain may not use %s.%s", s.at(use), pkg.Name, use.Sel.Name)
		}
		return true
	})
}

func TestBadNames(t *testing.T) {
	for name, want := range map[string]bool{
		"Whitelist": true, "SenderBlacklist": true, "SSLMode": true, "Cert": true, "LeafCert": true, "CertFile": true, "Certs": true,
		"Certificate": false, "Certificates": false, "LeafCertificate": false, "Certain": false,
	} {
		if got := badNames.MatchString(name); got != want {
			t.Errorf("%s is bad: %v, want %v", name, got, want)
		}
	}
}
