// Package session keeps what became of incoming sessions: who came, what was
// decided about the client, whether it used TLS, for whom it spoke and what
// refused it. It is the history that an administrator looks things up in, and
// the evidence that a change is tried on before it is made (B72).
//
// A session is the life of one TCP connection. It is recorded once, at its end.
// Recording never waits for the disk: records are collected in memory and
// written in batches; under pressure records are dropped, and counted, rather
// than mail held up.
package session

import (
	"net/netip"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// ID numbers a session. Ids sort by the end of sessions, and look like those of
// messages.
type ID = delivery.MessageID

// Record is what is known of a session at its end.
type Record struct {
	ID       ID
	At       time.Time // it began
	Duration time.Duration
	Listener string
	Client   netip.Addr
	// Names are the client's forward-confirmed names; they are known only where
	// the configuration had them looked up and the look-up did not fail (B13).
	Names      []mailaddr.DomainName
	NamesKnown bool
	Group      string // the sender group that decided
	Policy     string // its mail flow policy
	// Offered says that the client could have used TLS: STARTTLS stood in the
	// reply to EHLO, or TLS was implicit.
	Offered bool
	Result  delivery.TLSResult
	TLS     delivery.SessionTLS
	// Certificate is what became of the client's certificate (B17).
	Certificate CertificateResult
	// Accepted and Refused count messages. A sender that was turned down at MAIL
	// counts as one refused message.
	Accepted, Refused int
	// Senders are the first envelope senders, each once for TLS and once for
	// clear text; MoreSenders says that there were others.
	Senders     []Sender
	MoreSenders bool
	// Refusal is the first thing that was refused; nil where nothing was.
	Refusal  *Refusal
	Revision int64 // of the configuration that decided about the client
}

// Sender is an envelope sender of a session.
type Sender struct {
	Address   mailaddr.Mailbox `json:"address"`
	Encrypted bool             `json:"encrypted"` // whether it was named under TLS
}

// maxSenders bounds the senders of a record.
const maxSenders = 10

// AddSender notes an envelope sender.
func (r *Record) AddSender(s Sender) {
	for _, known := range r.Senders {
		if known == s {
			return
		}
	}
	if len(r.Senders) >= maxSenders {
		r.MoreSenders = true
		return
	}
	r.Senders = append(r.Senders, s)
}

// CertificateResult is what became of a client's certificate.
type CertificateResult string

// The results.
const (
	CertificateNotAsked CertificateResult = "" // the policy did not ask, or there was no TLS
	CertificateVerified CertificateResult = "verified"
	CertificateMissing  CertificateResult = "missing"
	CertificateInvalid  CertificateResult = "invalid"
)

// Refusal is what was refused, and how it was answered.
type Refusal struct {
	// By is the rule, as mail_flow_policy.
	By string `json:"by"`
	// Reply is what the client heard; empty where it heard nothing.
	Reply string `json:"reply,omitempty"`
}

// Refuse notes a refusal, if it is the first.
func (r *Record) Refuse(by, reply string) {
	if r.Refusal == nil {
		r.Refusal = &Refusal{By: by, Reply: reply}
	}
}

// Outcome sums a session up.
type Outcome string

// The outcomes.
const (
	Accepted Outcome = "accepted" // at least one message
	Refused  Outcome = "refused"  // something, and no message was accepted
	Idle     Outcome = "idle"     // nothing was asked of us
)

// Outcome returns how the session ended.
func (r *Record) Outcome() Outcome {
	switch {
	case r.Accepted > 0:
		return Accepted
	case r.Refusal != nil || r.Refused > 0 || r.Result == delivery.TLSFailed:
		return Refused
	}
	return Idle
}

// ParseOutcome reads an outcome's name; empty stands for all.
func ParseOutcome(s string) (Outcome, error) {
	switch o := Outcome(s); o {
	case "", Accepted, Refused, Idle:
		return o, nil
	}
	return "", domain.E(domain.Invalid, "%q is no outcome of a session: use accepted, refused or idle", s)
}

// Filter chooses sessions. Zero fields choose all.
type Filter struct {
	Listener string
	Client   netip.Addr
	Group    string
	TLS      delivery.TLSResult
	Outcome  Outcome
	// Since and Until bound the ends of sessions: from Since on, before Until.
	Since, Until time.Time
	// OldestFirst turns a list around.
	OldestFirst bool
}
