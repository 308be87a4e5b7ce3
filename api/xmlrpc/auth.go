package xmlrpc

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"postern/domain"
	"postern/domain/account"
)

// Authenticator checks credentials. It counts failures per account and per
// address and slows both down; postern/domain/account implements it.
type Authenticator interface {
	// Authenticate returns whose credential it is, or an error of kind
	// [domain.Unauthenticated] or [domain.Exhausted].
	Authenticate(ctx context.Context, c account.Credential, remote netip.Addr) (account.Principal, error)
	// Current returns what a principal of Authenticate may do now, or an error
	// of kind [domain.Unauthenticated] if the credential holds no more.
	Current(ctx context.Context, p account.Principal) (account.Principal, error)
}

// Rates bound how often a principal calls, whichever interface it uses: each call
// of a multicall counts.
type Rates interface {
	// Allow counts a call, or fails with [domain.Exhausted].
	Allow(p account.Principal) error
}

// caller is who stands behind one HTTP request.
type caller struct {
	remote netip.Addr // invalid where the connection has no IP address
	// credential is the one of the Authorization header; nil if there is none.
	credential *account.Credential

	// What came of checking the credential. All calls of a multicall share it:
	// they offer the same password, which is one guess, and hashing it a hundred
	// times would let one request occupy the gateway. Log-ins within a multicall
	// are guesses of their own and checked each.
	checked   bool
	principal account.Principal
	err       error
}

func newCaller(r *http.Request) *caller {
	c := &caller{credential: headerCredential(r)}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.remote = peer.Addr().Unmap()
	}
	return c
}

// headerCredential reads HTTP Basic (RFC 7617), where a token may stand for the
// password, or a Bearer token (RFC 6750 §2.1).
func headerCredential(r *http.Request) *account.Credential {
	if user, password, ok := r.BasicAuth(); ok {
		return &account.Credential{User: user, Password: password}
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return &account.Credential{Password: strings.TrimSpace(token)}
	}
	return nil
}

// fromHeader returns the principal of the Authorization header.
func (s *Server) fromHeader(ctx context.Context, c *caller) (account.Principal, error) {
	if c.credential == nil {
		return account.Principal{}, domain.E(domain.Unauthenticated,
			"credentials are missing: send HTTP Basic, a Bearer token, or the struct member session")
	}
	if !c.checked {
		c.principal, c.err = s.authenticator.Authenticate(ctx, *c.credential, c.remote)
		c.checked = true
	}
	return c.principal, c.err
}

// fromSession returns the principal of a session. It is asked anew on each use
// what the principal may do: a token that was deleted, a role that was lowered
// or a new password counts in open sessions at once.
func (s *Server) fromSession(ctx context.Context, c *caller, id string) (account.Principal, error) {
	opener, err := s.sessions.use(id)
	if err != nil {
		return account.Principal{}, err
	}
	now, err := s.authenticator.Current(ctx, opener.At(c.remote))
	if domain.KindOf(err) == domain.Unauthenticated {
		_ = s.sessions.end(id) // another call may have ended it
		return account.Principal{}, domain.Wrap(err, "the session has ended")
	}
	return now, err
}

// authorize returns the principal of a call if it may call the method. The
// session decides where the call names one, and else the header.
func (s *Server) authorize(ctx context.Context, c *caller, m *method, session *string) (account.Principal, error) {
	var p account.Principal
	var err error
	if session != nil {
		p, err = s.fromSession(ctx, c, *session)
	} else {
		p, err = s.fromHeader(ctx, c)
	}
	if err != nil {
		return account.Principal{}, err
	}
	return p, domain.Wrap(p.Authorize(m.role, m.scope()), "%s", m.name)
}
