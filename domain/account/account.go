// Package account knows who may call: administrators with passwords, tokens
// for machines, and the roles that both hold.
package account

import (
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

	password passwordMark // of the password, if one was used
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
}

// HasPassword reports whether the administrator can log in.
func (a Administrator) HasPassword() bool { return a.PasswordHash != "" }

// Token is a machine's credential. It never changes. Only its hash is kept.
type Token struct {
	ID        string
	Name      string
	Role      Role
	Hash      []byte // SHA-256 of the secret
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt *time.Time
}
