package xmlrpc

import (
	"context"
	"time"

	"postern/domain/account"
	"postern/domain/acme"
)

// Challenges are the answers that the public web listener gives to certification
// authorities (B50).
type Challenges interface {
	Put(ctx context.Context, author, token, keyAuthorization string) (acme.Challenge, error)
	Delete(ctx context.Context, token string) error
}

type acmeMethods struct {
	challenges Challenges
	orders     acme.Orders
}

func (a acmeMethods) table() []method {
	token := param{name: "token", typ: typeString, help: "The token of the challenge."}
	return []method{
		{
			name: "acme.put_challenge",
			help: "Answers an http-01 challenge of an ACME order: from the reply on, the public web listener gives the key " +
				"authorization to whoever asks for the token. Returns token and expires_at.",
			result: "struct",
			params: []param{
				token,
				{name: "key_authorization", typ: typeString, help: "The token, a dot, and the thumbprint of the account key."},
			},
			role: account.RoleCertificateManager,
			call: a.put,
		},
		{
			name:   "acme.delete_challenge",
			help:   "Takes the answer to an http-01 challenge away. Returns true.",
			result: "boolean",
			params: []param{token},
			role:   account.RoleCertificateManager,
			call:   a.delete,
		},
		{
			name: "acme.request",
			help: "Begins an order by the built-in ACME client, for the names of the ACME settings. Returns job and state; the " +
				"job is to be followed by REST.",
			result: "struct",
			role:   account.RoleCertificateManager,
			call:   a.request,
		},
	}
}

func (a acmeMethods) put(ctx context.Context, in invocation) (any, error) {
	made, err := a.challenges.Put(ctx, in.principal.Name, arg[string](in.args, "token"), arg[string](in.args, "key_authorization"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"token": made.Token, "expires_at": made.ExpiresAt().Truncate(time.Second)}, nil
}

func (a acmeMethods) delete(ctx context.Context, in invocation) (any, error) {
	return true, a.challenges.Delete(ctx, arg[string](in.args, "token"))
}

// request begins an order (B48).
func (a acmeMethods) request(ctx context.Context, in invocation) (any, error) {
	j, err := a.orders.Order(ctx, in.principal.Name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"job": j.ID, "state": string(j.State)}, nil
}
