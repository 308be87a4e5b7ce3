package outbound

import (
	"context"
	"errors"
	"io"
	"os"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/reply"
)

// class sorts failures by what follows from them.
type class uint8

// The classes. The zero value is what nobody classified: it defers (B28).
const (
	unclassified         class = iota
	resolverFailed             // no answer from DNS
	noAddress                  // DNS answered: the host has none
	barred                     // the decision forbids the host
	unreachable                // no TCP connection
	timedOut                   // the peer was silent for too long
	lost                       // the peer closed the connection
	garbled                    // what the peer said is no SMTP
	turnedAway                 // the peer's reply ends the session or the transaction
	tlsNotOffered              // no STARTTLS, or refused, and TLS is mandatory
	handshakeFailed            // an error of the TLS protocol after the 220
	handshakeTimedOut          // silence after the 220
	injected                   // clear text behind the 220 (B30)
	unverified                 // the certificate does not pass a mandatory check
	requireTLSNotOffered       // RFC 8689
	authWithheld               // the credentials may not be shown here (B32)
	authRefused                // the peer does not take the credentials
	stopped                    // we are shutting down
	bodyFailed                 // the message cannot be read
	bodySpoiled                // the message may not be sent as it is
)

// failure is why an address, or a connection to it, could not serve. It is a
// value to decide on rather than an error to pass up: it never leaves the
// package, except as the outcome that it comes to.
type failure struct {
	stage delivery.Stage
	class class
	// reply is the peer's; its code is 0 where the peer said nothing.
	reply reply.Reply
	// refusal is the decision's, of class barred.
	refusal *policy.Refusal
	// detail explains, without foreign text that is not quoted.
	detail string
}

// maxErrorOctets bounds the text of an error in records: it may quote the peer.
const maxErrorOctets = 200

// failed sorts an error of the connection.
func failed(ctx context.Context, stage delivery.Stage, err error) *failure {
	f := &failure{stage: stage, class: lost, detail: reply.Quote(err.Error(), maxErrorOctets)}
	var syntax *reply.SyntaxError
	switch {
	case ctx.Err() != nil:
		f.class, f.detail = stopped, "the delivery was stopped here"
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.class, f.detail = timedOut, "the peer did not answer in time"
	case errors.As(err, &syntax), errors.Is(err, reply.ErrTooLong):
		f.class = garbled
	case errors.Is(err, io.EOF):
		f.detail = "the peer closed the connection"
	}
	return f
}

// refusedBy is the failure of a command that the peer turned down.
func refusedBy(stage delivery.Stage, r reply.Reply) *failure {
	return &failure{stage: stage, class: turnedAway, reply: r, detail: r.String()}
}

// barredBy is the failure of a host that the decision forbids; nil where it
// forbids nothing.
func barredBy(d policy.Decision) *failure {
	if d.Refused == nil {
		return nil
	}
	return &failure{stage: delivery.StagePolicy, class: barred, refusal: d.Refused, detail: d.Refused.Detail}
}

// concernsTLS reports whether mandatory TLS is what failed. Silence shows
// nothing about TLS: the network may be at fault.
func (f *failure) concernsTLS() bool {
	switch f.class {
	case tlsNotOffered, handshakeFailed, injected, unverified:
		return true
	}
	return false
}

// outcome is what the failure means for the recipients, were it the last word.
func (f *failure) outcome(d policy.Decision) delivery.Outcome {
	switch f.class {
	case turnedAway:
		return f.peerOutcome()
	case barred:
		return refusalOutcome(*f.refusal)
	}
	r := f.ownReply()
	// B57: without acceptable TLS, mail under REQUIRETLS bounces at once.
	if d.RequireTLS && f.concernsTLS() {
		r = reply.RequireTLSFailed()
	}
	// B28: an option per entry bounces at once.
	if d.BounceAtOnce && f.concernsTLS() {
		r = r.Permanently()
	}
	return ownOutcome(f.stage, r)
}

// ownReply gives the failure its code (RFC 3463 §3.5).
func (f *failure) ownReply() reply.Reply {
	temporary := func(subject, detail int) reply.Reply {
		return reply.New(451, reply.Status{Subject: subject, Detail: detail}, f.detail)
	}
	switch f.class {
	case resolverFailed:
		return temporary(4, 3)
	case noAddress:
		return reply.New(550, reply.Status{Subject: 4, Detail: 4}, f.detail)
	case unreachable:
		return temporary(4, 1)
	case timedOut, lost:
		return temporary(4, 2)
	case garbled:
		return temporary(5, 0)
	case tlsNotOffered:
		return reply.TLSNotOffered()
	case handshakeFailed, handshakeTimedOut, injected, unverified:
		return reply.TLSFailed(f.detail)
	case requireTLSNotOffered:
		return reply.RequireTLSUnsupported()
	// B32: whatever the peer says of our credentials, it is no word about the
	// mail, which waits (RFC 4954 §6).
	case authWithheld:
		return temporary(7, 11)
	case authRefused:
		return temporary(7, 8)
	case stopped:
		return temporary(3, 2)
	case bodySpoiled:
		return reply.New(554, reply.Status{Subject: 6, Detail: 0}, f.detail)
	default:
		return temporary(3, 0)
	}
}

// peerOutcome is what the peer's words mean where they ended the session: they
// concern the connection rather than the mail, so that even a permanent reply
// defers. Greetings of 554 come and go with block lists and faults.
func (f *failure) peerOutcome() delivery.Outcome {
	o := remoteOutcome(f.stage, f.reply)
	if o.Status == delivery.Bounced {
		o.Status = delivery.Deferred
		o.Enhanced = "4" + o.Enhanced[1:]
	}
	return o
}

// refusalOutcome is what a host barred by the decision means.
func refusalOutcome(refusal policy.Refusal) delivery.Outcome {
	o := delivery.Outcome{
		Status: delivery.Deferred, Stage: delivery.StagePolicy,
		Code: 450, Enhanced: refusal.Code, Text: refusal.Detail,
	}
	if refusal.Code != "" && refusal.Code[0] == '5' {
		o.Status, o.Code = delivery.Bounced, 550
	}
	return o
}

// discardOutcome is for mail that a route throws away (B31).
func discardOutcome() delivery.Outcome {
	return delivery.Outcome{
		Status: delivery.Delivered, Stage: delivery.StageRoute,
		Code: 250, Enhanced: "2.0.0", Text: "discarded by route",
	}
}

// ownOutcome is an outcome in our own words.
func ownOutcome(stage delivery.Stage, r reply.Reply) delivery.Outcome {
	o := outcomeOf(stage, r)
	o.Text = r.Text()
	return o
}

// remoteOutcome is an outcome in the peer's words.
func remoteOutcome(stage delivery.Stage, r reply.Reply) delivery.Outcome {
	o := outcomeOf(stage, r)
	o.Text, o.Remote = r.String(), true
	return o
}

func outcomeOf(stage delivery.Stage, r reply.Reply) delivery.Outcome {
	o := delivery.Outcome{Stage: stage, Code: r.Code, Enhanced: r.EnhancedString()}
	switch {
	case r.Positive():
		o.Status = delivery.Delivered
	case r.Permanent():
		o.Status = delivery.Bounced
	}
	return o
}
