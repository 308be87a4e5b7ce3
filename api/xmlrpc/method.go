package xmlrpc

import (
	"context"
	"fmt"
	"strings"

	"postern/domain/account"
)

// method is an entry of the method table. Introspection is made of it, so that
// what it says and what a call does cannot part.
type method struct {
	name   string
	help   string // one or more sentences
	params []param
	result string // type of XML-RPC
	// role is the least role that may call; empty for a method that anyone may
	// call without credentials.
	role account.Role
	// takesCertificates lets the call's body be largeBody long.
	takesCertificates bool
	call              func(ctx context.Context, in invocation) (any, error)
}

// invocation is a call that has passed: the arguments fit and the principal may.
type invocation struct {
	args      args
	caller    *caller
	principal account.Principal // zero for a public method
}

// public tells whether the method needs no credentials.
func (m *method) public() bool { return m.role == "" }

// scope is the part of the interface that the method belongs to.
func (m *method) scope() account.Scope {
	if m.role == account.RoleViewer {
		return account.ScopeRead
	}
	family, _, _ := strings.Cut(m.name, ".")
	switch family {
	case "certificate", "acme":
		return account.ScopeCertificates
	case "alert":
		return account.ScopeAlerts
	}
	return account.ScopeConfig
}

// hasParam tells whether the method declares the parameter.
func (m *method) hasParam(name string) bool {
	for _, p := range m.params {
		if p.name == name {
			return true
		}
	}
	return false
}

// signatures lists the forms of a call, result type first: one struct, and the
// positions with no, one, two … optional parameters at the end.
func (m *method) signatures() []any {
	var forms []any
	if len(m.params) > 0 || !m.public() { // a session id needs the struct
		forms = append(forms, []string{m.result, "struct"})
	}
	form := []string{m.result}
	for _, p := range m.params {
		if p.optional {
			forms = append(forms, form)
		}
		form = append(form[:len(form):len(form)], p.typ.wire())
	}
	return append(forms, form)
}

// text returns the help with the parameters in the order of the positional form.
func (m *method) text() string {
	var text strings.Builder
	text.WriteString(m.help)
	if m.public() {
		text.WriteString("\nNeeds no credentials.")
	} else {
		fmt.Fprintf(&text, "\nNeeds the role %s.", m.role)
	}
	for _, p := range m.params {
		optional := ""
		if p.optional {
			optional = ", optional"
		}
		fmt.Fprintf(&text, "\n%s (%s%s): %s", p.name, p.typ, optional, p.help)
	}
	return text.String()
}

// index makes the method table.
func index(families ...[]method) map[string]*method {
	table := map[string]*method{}
	for _, family := range families {
		for i := range family {
			table[family[i].name] = &family[i]
		}
	}
	return table
}
