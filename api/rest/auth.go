package rest

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
)

// Authenticator finds out who calls. It slows down guessing by itself and
// answers with an Unauthenticated or Exhausted error.
type Authenticator interface {
	Authenticate(ctx context.Context, shown account.Credential, from netip.Addr) (account.Principal, error)
}

const principalKey = "principal"

// principalOf returns the caller; the zero value where the route is public.
func principalOf(c echo.Context) account.Principal {
	p, _ := c.Get(principalKey).(account.Principal)
	return p
}

// authorize lets a request pass whose caller may do what needs the role and the
// scope of the operation.
func (a *API) authorize(c echo.Context, o operation) error {
	r := c.Request()
	shown, err := credentialOf(r)
	if err != nil {
		return err
	}
	principal, err := a.auth.Authenticate(r.Context(), shown, remoteAddr(r))
	if err != nil {
		return err
	}
	c.Set(principalKey, principal)
	return principal.Authorize(o.role, o.scope())
}

// credentialOf reads the Authorization header: Bearer (RFC 6750) or Basic
// (RFC 7617). Credentials in the query are never looked at: queries get logged.
func credentialOf(r *http.Request) (account.Credential, error) {
	lines := r.Header.Values("Authorization")
	if len(lines) == 0 {
		return account.Credential{}, domain.E(domain.Unauthenticated, "send an Authorization header: Bearer with a token, or Basic")
	}
	if len(lines) > 1 {
		return account.Credential{}, domain.E(domain.Unauthenticated, "there is more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	token = strings.TrimSpace(token)
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		return account.Credential{Password: token}, nil
	}
	if user, password, ok := r.BasicAuth(); ok && password != "" {
		return account.Credential{User: user, Password: password}, nil
	}
	return account.Credential{}, domain.E(domain.Unauthenticated, "the Authorization header is neither a Bearer token nor Basic credentials")
}

// remoteAddr returns the address of the connection. Headers that claim another
// one are not believed: there is no proxy that we trust.
func remoteAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}
