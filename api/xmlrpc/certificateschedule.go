package xmlrpc

import (
	"context"
	"time"

	"postern/domain/account"
	"postern/domain/certificate"
)

// CertificateSchedule activates at a time to come, and goes back (B41);
// postern/domain/certificate implements it.
type CertificateSchedule interface {
	Stage(ctx context.Context, author, id, ifMatch string, at time.Time, force bool) (certificate.Certificate, error)
	Unstage(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
	Revert(ctx context.Context, author string, force bool) (certificate.Certificate, error)
}

// forceParam is of all methods that activate (B54).
var forceParam = param{name: "force", typ: typeBoolean, optional: true, help: "Activate although published TLSA records do not match."}

func (c certificateMethods) scheduleMethods() []method {
	return []method{
		{
			name: "certificate.stage",
			help: "Notes that a certificate is to be activated at a time to come, and returns it, with that time in the member " +
				"activate_at. A second call moves it.",
			result: "struct",
			params: []param{
				idParam,
				{name: "activate_at", typ: typeTime, help: "In UTC unless it names a zone, at most 400 days ahead."},
				ifMatchParam, forceParam,
			},
			role: account.RoleCertificateManager,
			call: c.stage,
		},
		{
			name:   "certificate.unstage",
			help:   "Takes back an activation to come, and returns the certificate. Where there is none, nothing happens.",
			result: "struct",
			params: []param{idParam, ifMatchParam},
			role:   account.RoleCertificateManager,
			call:   c.unstage,
		},
		{
			name: "certificate.revert",
			help: "Activates the certificate that was active before the present one; called again, it goes forward again. Returns " +
				"what certificate.activate does.",
			result: "struct",
			params: []param{forceParam},
			role:   account.RoleCertificateManager,
			call:   c.revert,
		},
	}
}

func (c certificateMethods) stage(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.schedule.Stage(ctx, in.principal.Name, arg[string](in.args, "id"), arg[string](in.args, "if_match"),
		arg[time.Time](in.args, "activate_at"), arg[bool](in.args, "force")))
}

func (c certificateMethods) unstage(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.schedule.Unstage(ctx, in.principal.Name, arg[string](in.args, "id"), arg[string](in.args, "if_match")))
}

func (c certificateMethods) revert(ctx context.Context, in invocation) (any, error) {
	entry, err := c.schedule.Revert(ctx, in.principal.Name, arg[bool](in.args, "force"))
	return c.inForce(ctx, entry, err)
}
