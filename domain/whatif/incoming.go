package whatif

import (
	"fmt"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/session"
)

// incoming judges sessions under one snapshot.
type incoming struct {
	snapshot *config.Snapshot
	// trusted says that the trust anchors for clients are those of the evidence.
	trusted bool
	// seen is the configuration that the evidence is taken to be from.
	seen *config.Snapshot
	now  time.Time
}

// admission is what the configuration says to a client.
type admission struct {
	listener policy.Listener
	policy   policy.MailFlowPolicy
	group    string
	offers   bool // STARTTLS, or TLS is implicit
	// vague says that the client's names would have to be known.
	vague bool
	// refused says that the client gets no further.
	refused bool
}

// judge says what a session would come to (B12–B17, B25, B26).
func (i *incoming) judge(r *session.Record) judgement {
	a := i.admit(r)
	j := judgement{key: a.key(i.snapshot.Settings.TLS), because: fmt.Sprintf("mail_flow_policy %s of sender group %s", a.policy.Name, a.group)}
	switch {
	case a.vague:
		j.class, j.key = Unknown, "" // the same table may put the client elsewhere
	case a.refused:
		j.class = Refused
	default:
		j.class = otherRefusals(&a, r, i.admitted(&a, r))
	}
	j.action = a.policy.Action
	return j
}

// otherRefusals keeps refused what was refused for reasons that have nothing to
// do with who the client is and how it came: those are not judged anew.
func otherRefusals(a *admission, r *session.Record, class Class) Class {
	if !class.Handed() || r.Refusal == nil || r.Outcome() != session.Refused {
		return class
	}
	switch r.Refusal.By {
	case "message", "content_filter", "inspection", "limit", "spool":
		return Refused
	case "relay":
		if a.policy.Action != policy.ActionRelay {
			return Refused
		}
	}
	return class
}

// key is equal for admissions that ask the same of every client.
func (a *admission) key(settings policy.TLSSettings) string {
	p := a.policy
	return fmt.Sprintf("refused=%t action=%s %s smtps=%t offers=%t tls=%s verify=%t min=%s ciphers=%s mandatory=%v", a.refused, p.Action, a.listener.Kind,
		a.implicit(), a.offers, p.TLS, p.VerifiesClients(), a.listener.MinVersion.Or(settings.MinVersion), a.listener.CipherProfile, p.TLSMandatorySenders)
}

func (a *admission) implicit() bool { return a.listener.Protocol == policy.ProtocolSMTPS }

// admit applies listener, host access table and STARTTLS exemptions.
func (i *incoming) admit(r *session.Record) (a admission) {
	var ok bool
	if a.listener, ok = i.snapshot.Listener(r.Listener); !ok {
		a.refused = true // nobody listens there
		return a
	}
	table, ok := i.snapshot.Access(r.Listener)
	if !ok {
		a.refused = true
		return a
	}
	a.refused = true
	for match := range table.Matches(r.Client, r.Names) {
		p, _ := i.snapshot.FlowPolicy(a.listener, match.Policy)
		if p.Action == policy.ActionContinue {
			continue
		}
		a.group, a.policy = match.Group, p
		a.refused = p.Action == policy.ActionReject || p.Action == policy.ActionTCPRefuse
		break
	}
	a.vague = !r.NamesKnown && table.NamesAbove(a.group)
	i.offer(&a, r)
	return a
}

// offer decides whether the client may use TLS (B25, B26).
func (i *incoming) offer(a *admission, r *session.Record) {
	switch {
	case !i.snapshot.Settings.TLS.Enabled:
	case a.implicit():
		a.offers = true
	case a.policy.TLS >= policy.ListenerTLSPreferred && !a.refused:
		a.offers = i.snapshot.ExemptInbound(r.Client, r.Names, i.now) == nil
		a.vague = a.vague || a.offers && !r.NamesKnown && i.snapshot.ExemptsNames()
	}
}

// admitted is for clients that may speak.
func (i *incoming) admitted(a *admission, r *session.Record) Class {
	required := a.policy.TLS == policy.ListenerTLSRequired || a.implicit()
	switch {
	case !a.offers && required:
		return Refused // B26: what is required stays required
	case !a.offers:
		return inClear(a.policy, r)
	case r.TLS.Encrypted():
		return i.encrypted(a, r)
	case r.Result == delivery.TLSFailed && r.Refusal == nil:
		return Unknown // a handshake that failed may succeed on other terms
	case !r.Offered || r.Result == delivery.TLSUndecided:
		return Unknown // whether the client can do TLS was not seen
	case required:
		return Refused
	}
	return inClear(a.policy, r)
}

// inClear is for a session that goes on without TLS: some senders may not (B17).
func inClear(p policy.MailFlowPolicy, r *session.Record) Class {
	for _, s := range r.Senders {
		if p.MustUseTLS(s.Address) {
			return Refused
		}
	}
	if (r.MoreSenders || len(r.Senders) == 0) && len(p.TLSMandatorySenders) > 0 {
		return Unknown
	}
	return Clear
}

// encrypted is for a client that has shown that it can do TLS.
func (i *incoming) encrypted(a *admission, r *session.Record) Class {
	switch {
	case r.TLS.Version < "TLS"+a.listener.MinVersion.Or(i.snapshot.Settings.TLS.MinVersion).String():
		return Refused // it agreed on less although more was to be had
	case r.TLS.Version < "TLS1.3" && i.ciphersDiffer(a.listener):
		return Unknown
	case !a.policy.VerifiesClients():
		return Encrypted
	}
	switch r.Certificate {
	case session.CertificateMissing:
		// B17: preferred goes on without a certificate.
		if a.policy.TLS == policy.ListenerTLSRequired {
			return Refused
		}
		return Encrypted
	case session.CertificateNotAsked:
		return Unknown
	}
	if !i.trusted {
		return Unknown
	}
	if r.Certificate == session.CertificateVerified {
		return Verified
	}
	return Refused
}

// ciphersDiffer reports whether the listener offers other cipher suites below
// TLS 1.3 than it did.
func (i *incoming) ciphersDiffer(l policy.Listener) bool {
	before, _ := i.seen.Listener(l.Name)
	return before.CipherProfile != l.CipherProfile
}
