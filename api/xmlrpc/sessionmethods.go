package xmlrpc

import (
	"context"

	"postern/domain/account"
)

// sessionMember is the struct member that carries a session id.
const sessionMember = "session"

func (s *Server) sessionMethods() []method {
	return []method{
		{
			name:   "session.login",
			help:   "Returns a session id, to be sent as the struct member session of later calls. It expires after 30 minutes without a call, and after 12 hours; it ends at once when the token is deleted or the password set anew.",
			result: "string",
			params: []param{
				{name: "user", typ: typeString, help: "Name of an administrator; may be empty with a token."},
				{name: "password", typ: typeString, help: "The administrator's password, or a token."},
			},
			call: s.login,
		},
		{
			name:   "session.logout",
			help:   "Ends a session. Returns true.",
			result: "boolean",
			params: []param{{name: sessionMember, typ: typeString, help: "Id that session.login returned."}},
			call:   s.logout,
		},
	}
}

// login leaves counting and slowing down to the authenticator, which sees every
// attempt, those within a multicall too.
func (s *Server) login(ctx context.Context, in invocation) (any, error) {
	credential := account.Credential{User: arg[string](in.args, "user"), Password: arg[string](in.args, "password")}
	p, err := s.authenticator.Authenticate(ctx, credential, in.caller.remote)
	if err != nil {
		return nil, err
	}
	if err := s.rates.Allow(p); err != nil {
		return nil, err
	}
	in.principal = p
	return s.recorded(ctx, "session.login", in, func(context.Context, invocation) (any, error) {
		return s.sessions.open(p)
	})
}

// logout needs no other credentials: who knows the id owns the session.
func (s *Server) logout(ctx context.Context, in invocation) (any, error) {
	id := arg[string](in.args, sessionMember)
	var err error
	if in.principal, err = s.sessions.use(id); err != nil {
		return nil, err
	}
	return s.recorded(ctx, "session.logout", in, func(context.Context, invocation) (any, error) {
		return true, s.sessions.end(id)
	})
}
