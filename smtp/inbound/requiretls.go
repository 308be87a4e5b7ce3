package inbound

import (
	"strings"

	"postern/domain/mailaddr"
	"postern/smtp/reply"
)

// offersRequireTLS reports whether EHLO lists REQUIRETLS: inside TLS only (RFC
// 8689 §2), and where it is switched on (B4, B20).
func (l *leg) offersRequireTLS() bool { return l.tls != nil && l.requireTLSEnabled() }

// requireTLSEnabled asks the newest configuration, which MAIL will go by too.
func (l *leg) requireTLSEnabled() bool {
	return l.client.handler.deps.Snapshot().Settings.RequireTLS.Enabled
}

// judgeRequireTLS returns the reply to a MAIL whose REQUIRETLS cannot be taken;
// nil where it can, or is not there (B58). go-smtp would take it in clear, and
// with a value.
func (l *leg) judgeRequireTLS(argument string) *reply.Reply {
	given, hasValue := requireTLSParameter(argument)
	var r reply.Reply
	switch {
	case !given:
		return nil
	case !l.requireTLSEnabled():
		r = reply.RequireTLSOff()
	case hasValue:
		r = reply.RequireTLSValue()
	case l.tls == nil:
		r = reply.RequireTLSInClear()
	default:
		return nil
	}
	r = l.client.refuse("requiretls", r)
	return &r
}

// requireTLSParameter looks for REQUIRETLS among the parameters of MAIL.
func requireTLSParameter(argument string) (given, hasValue bool) {
	_, path, _ := strings.Cut(argument, ":")
	_, parameters, err := mailaddr.ParsePath(path)
	if err != nil {
		return false, false // the session says what is wrong with the path
	}
	for field := range strings.FieldsSeq(parameters) {
		if name, _, value := strings.Cut(field, "="); strings.EqualFold(name, "REQUIRETLS") {
			return true, value
		}
	}
	return false, false
}
