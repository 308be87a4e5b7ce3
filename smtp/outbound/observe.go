package outbound

import (
	"slices"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

// Observer is told what deliveries meet (B66, B67). It must not block.
type Observer interface {
	// CountConnection is told of every new connection.
	CountConnection(tlsreport.Connection)
	// CountMessage is told of every message that a peer has taken.
	CountMessage(tlsreport.Connection)
	// NoteFailure is told of an outcome of every attempt that delivered not
	// everything.
	NoteFailure(mailaddr.DomainName, delivery.Outcome)
}

var _ Observer = (*tlsreport.Recorder)(nil)

// connectionOf sorts a connection for report and mail log. The requirement is
// that of the decision: a peer on the one-hour list is one to which TLS is
// preferred all the same.
func connectionOf(host string, t terms, state delivery.SessionTLS, f *failure) tlsreport.Connection {
	c := tlsreport.Connection{
		Direction: tlsreport.Outgoing, Domain: t.recipient.String(), Host: host,
		Requirement: tlsreport.RequirementOf(t.decision.Level), Result: resultOf(state, f), TLS: state,
	}
	if f != nil {
		c.Detail = f.detail
	}
	return c
}

// resultOf is what became of TLS on a connection that is ready for mail, or that
// failed. What fails before STARTTLS, or because we stop, says nothing about it;
// what fails under TLS afterwards was encrypted all the same.
func resultOf(state delivery.SessionTLS, f *failure) delivery.TLSResult {
	switch {
	case f != nil && f.class == stopped:
		return delivery.TLSUndecided
	case f != nil && f.ofTLS(state):
		return delivery.TLSFailed
	case state.Encrypted():
		return delivery.TLSSuccess
	case f == nil:
		return delivery.TLSClear
	}
	return delivery.TLSUndecided
}

// ofTLS reports whether a connection failed for want of TLS. One that is in clear
// fails at its credentials for no other reason (B32).
func (f *failure) ofTLS(state delivery.SessionTLS) bool {
	switch f.stage {
	case delivery.StageSTARTTLS, delivery.StageVerify:
		return true
	case delivery.StageAuth:
		return !state.Encrypted()
	}
	return false
}

// observeConnection counts a connection that this attempt has made.
func (a *attempt) observeConnection(to target, t terms, s *session, f *failure) {
	if a.Observer != nil {
		a.Observer.CountConnection(connectionOf(to.hop.String(), t, s.tls, f))
	}
}

// observeMessage counts the message that the peer took for some of the
// recipients.
func (a *attempt) observeMessage(t terms, s *session, recipients []*addressee) {
	if a.Observer != nil && anyDelivered(recipients) {
		a.Observer.CountMessage(connectionOf(s.key.host.String(), t, s.tls, nil))
	}
}

func anyDelivered(recipients []*addressee) bool {
	return slices.ContainsFunc(recipients, func(r *addressee) bool {
		return r.outcome != nil && r.outcome.Status == delivery.Delivered
	})
}

// observeEnd notes an outcome of the attempt that was no delivery, if there is
// one.
func (a *attempt) observeEnd() {
	if a.Observer == nil {
		return
	}
	for _, r := range a.recipients {
		if r.outcome != nil && r.outcome.Status != delivery.Delivered {
			a.Observer.NoteFailure(mailaddr.DomainName(a.to.String()), *r.outcome)
			return
		}
	}
}
