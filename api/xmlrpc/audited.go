package xmlrpc

import (
	"context"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/audit"
)

// AuditLog keeps who did what (B73).
type AuditLog interface {
	Begin(ctx context.Context, e audit.Entry) (audit.Entry, error)
	Finish(ctx context.Context, begun, outcome audit.Entry) error
	Refused(ctx context.Context, e audit.Entry) error
}

// isAudited reports whether the method changes something, or reveals more than
// a viewer sees (B73). Sessions record themselves, when it is known whose they
// are.
func (m *method) isAudited() bool { return !m.public() && m.role != account.RoleViewer }

// audited calls the method between two entries of the audit log: what cannot be
// recorded does not happen.
func (s *Server) audited(ctx context.Context, m *method, in invocation) (any, error) {
	if !m.isAudited() {
		return m.call(ctx, in)
	}
	return s.recorded(ctx, m.name, in, m.call)
}

// recorded announces a call, makes it, and records what came of it.
func (s *Server) recorded(ctx context.Context, name string, in invocation, call func(context.Context, invocation) (any, error)) (any, error) {
	begun, err := s.auditLog.Begin(ctx, auditEntry(name, in.caller, in.principal))
	if err != nil {
		return nil, err
	}
	result, err := call(ctx, in)
	outcome := audit.Entry{Status: 200, Request: audit.RedactValue(map[string]any(in.args))}
	if members, ok := result.(map[string]any); ok {
		outcome.After = audit.RedactValue(members)
		outcome.Revision = revisionIn(members)
	}
	if err != nil {
		outcome.Status = faultOf(err).code
	}
	if err := s.auditLog.Finish(ctx, begun, outcome); err != nil {
		// It was announced; that it happened cannot be taken back.
		s.logger.ErrorContext(ctx, "the audit log lacks an outcome", "method", name, "error", err.Error())
	}
	return result, err
}

// revisionIn returns the revision that a result names; 0 where there is none.
func revisionIn(result map[string]any) int64 {
	switch revision := result["revision"].(type) {
	case int64:
		return revision
	case int:
		return int64(revision)
	}
	return 0
}

func auditEntry(name string, c *caller, p account.Principal) audit.Entry {
	e := audit.Entry{Actor: p.Name, Interface: audit.XMLRPC, Operation: name, Target: name}
	if c.remote.IsValid() {
		e.From = c.remote.String()
	}
	return e
}

// auditRefusal records that a caller may not call a method.
func (s *Server) auditRefusal(ctx context.Context, c *caller, m *method, p account.Principal, refusal error) {
	if domain.KindOf(refusal) != domain.Forbidden {
		return
	}
	e := auditEntry(m.name, c, p)
	e.Status = faultOf(refusal).code
	if err := s.auditLog.Refused(ctx, e); err != nil {
		s.logger.ErrorContext(ctx, "the audit log lacks a refusal", "method", m.name, "error", err.Error())
	}
}
