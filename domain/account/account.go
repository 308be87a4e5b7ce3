// Package account knows who may call: administrators with passwords, tokens
// for machines, and the roles that both hold.
package account

import (
	"net/netip"
	"slices"
	"time"

	"postern/domain"
)

// Role is what a caller may do; each role may do what the weaker ones may.
type Role string

// The roles, weakest first (api.md).
const (
	RoleViewer             Role = "viewer"              // reads everything but secrets and mail
	RoleOperator           Role = "operator"            // queue, tests, alerts
	RoleCertificateManager Role = "certificate_manager" // certificates
	RoleAdmin              Role = "admin"               // everything
)

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case RoleViewer, RoleOperator, RoleCertificateManager, RoleAdmin:
		return r, nil
	}
	return "", domain.E(domain.Invalid, "%q is no role: use viewer, operator, certificate_manager or admin", s)
}

// Principal is an authenticated caller.
type Principal struct {
	Name  string // of the administrator, or "token:" and the token's name
	Role  Role
	Token string // id of the token, if one was used
	// Scopes hold a token to parts of the API.
	Scopes Scopes
	// Limited is whether a token ends by itself, or is held to networks.
	Limited bool

	password passwordMark // of the password, if one was used
	from     netip.Addr   // see At
}

// At returns the principal as calling from an address, for [Service.Current].
func (p Principal) At(from netip.Addr) Principal {
	p.from = from
	return p
}

// Allows reports whether the caller may do what needs the role. Operator and
// certificate manager stand side by side: neither includes the other.
func (p Principal) Allows(need Role) bool {
	if p.Role == "" {
		return false // nobody
	}
	return p.Role == need || p.Role == RoleAdmin || need == RoleViewer
}

// Credential is what a caller shows. A token comes as the password, with or
// without a user name.
type Credential struct {
	User, Password string
}

// String never shows the password.
func (c Credential) String() string { return c.User + ":***" }

// GoString never shows the password.
func (c Credential) GoString() string { return c.String() }

// Administrator is a person who may call with a password.
type Administrator struct {
	Name         string
	Role         Role
	PasswordHash string // argon2id in PHC form
	CreatedAt    time.Time
	Disabled     bool // cannot log in, whatever the password
}

// HasPassword reports whether the administrator has one to log in with.
func (a Administrator) HasPassword() bool { return a.PasswordHash != "" }

// Token is a machine's credential. Beside its last use it never changes. Only
// its hash is kept.
type Token struct {
	ID        string
	Name      string
	Role      Role
	Hash      []byte // SHA-256 of the secret
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt *time.Time
	// Scopes hold it to parts of the API.
	Scopes Scopes
	// Addresses are the networks that it may be used from; none: from anywhere.
	Addresses []netip.Prefix
	// LastUsedAt is nil where it was not used yet. It is a minute late at most.
	LastUsedAt   *time.Time
	LastUsedFrom netip.Addr
}

// limited reports whether the token is less than its role says, beside its scopes.
func (t Token) limited() bool { return t.ExpiresAt != nil || len(t.Addresses) > 0 }

// allowsFrom reports whether the token may be used from the address.
func (t Token) allowsFrom(from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return len(t.Addresses) == 0 ||
		slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(from) })
}
