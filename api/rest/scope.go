package rest

import (
	"strings"

	"postern/domain/account"
)

// scope returns the part of the API that the operation belongs to: reading that
// reveals nothing is one, and the rest goes by the path.
func (o operation) scope() account.Scope {
	switch {
	case !o.isAudited():
		return account.ScopeRead
	case strings.HasSuffix(o.path, "/test"):
		return account.ScopeTests
	}
	area, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
	switch area {
	case "messages", "deliveries", "destinations", "no-tls-hosts", "sessions", "mta-sts-policies":
		return account.ScopeQueue
	case "tls":
		return account.ScopeTests
	case "alerts":
		return account.ScopeAlerts
	case "certificates", "acme":
		return account.ScopeCertificates
	case "tokens", "administrators":
		return account.ScopeAccounts
	case "audit-log":
		return account.ScopeAudit
	}
	return account.ScopeConfig
}
