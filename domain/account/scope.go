package account

import (
	"slices"
	"strings"

	"postern/domain"
)

// Scope is a part of the API. A token may be held to some scopes, beside its
// role: a machine that only retries mail needs no more than queue.
type Scope string

// The scopes.
const (
	ScopeRead         Scope = "read"         // all reading that a viewer may
	ScopeConfig       Scope = "config"       // writing of configuration
	ScopeQueue        Scope = "queue"        // acting on messages and destinations, reading mail
	ScopeTests        Scope = "tests"        // live tests
	ScopeAlerts       Scope = "alerts"       // acting on alerts
	ScopeCertificates Scope = "certificates" // certificates and ACME
	ScopeAccounts     Scope = "accounts"     // tokens, and what concerns accounts
	ScopeAudit        Scope = "audit"        // the audit log
)

// allScopes are the scopes in the order of their bits, which are never stored.
func allScopes() []Scope {
	return []Scope{
		ScopeRead, ScopeConfig, ScopeQueue, ScopeTests, ScopeAlerts, ScopeCertificates, ScopeAccounts, ScopeAudit,
	}
}

// Scopes is a set of scopes. The zero value holds nobody: everything that the
// role allows is allowed.
type Scopes uint16

// ParseScopes reads names of scopes. An unknown one is domain.Invalid.
func ParseScopes(names []string) (set Scopes, err error) {
	for _, name := range names {
		i := slices.Index(allScopes(), Scope(name))
		if i < 0 {
			return 0, domain.E(domain.Invalid, "%q is no scope", name)
		}
		set |= 1 << i
	}
	return set, nil
}

// Names returns the scopes of the set; none for the zero value.
func (s Scopes) Names() []string {
	var names []string
	for i, scope := range allScopes() {
		if s&(1<<i) != 0 {
			names = append(names, string(scope))
		}
	}
	return names
}

// String returns the names with commas between; "all" for the zero value.
func (s Scopes) String() string {
	if s == 0 {
		return "all"
	}
	return strings.Join(s.Names(), ", ")
}

// Allows reports whether the set lets a call of the scope pass.
func (s Scopes) Allows(need Scope) bool {
	i := slices.Index(allScopes(), need)
	return s == 0 || i >= 0 && s&(1<<i) != 0
}

// Within reports whether the set grants no more than another.
func (s Scopes) Within(other Scopes) bool {
	return other == 0 || s != 0 && s&^other == 0
}

// Authorize returns nil if the caller may do what needs the role and the scope,
// and else a domain.Forbidden error that names what is missing.
func (p Principal) Authorize(need Role, scope Scope) error {
	if !p.Allows(need) {
		return domain.E(domain.Forbidden, "this needs the role %s; you have %s", need, p.Role)
	}
	if !p.Scopes.Allows(scope) {
		return domain.E(domain.Forbidden, "this needs the scope %s; the token has %s", scope, p.Scopes)
	}
	return nil
}
