package outbound

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/dane"
	"postern/smtp/dns"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// DANE asks a validating resolver for TLSA records.
type DANE interface {
	dane.Resolver
	// Validates reports whether the word of the resolver counts. Where it does not,
	// DANE is off (B63).
	Validates() bool
}

// authenticity is what DNSSEC says of a host. Its zero value says that nobody
// asked.
type authenticity struct {
	dane.Finding
	asked bool
	// names are the reference names of a certificate under an authority.
	names []mailaddr.DomainName
}

// lookUpDANE looks up the TLSA records of a next hop whose addresses are known.
func (a *attempt) lookUpDANE(ctx context.Context, h hop, addrs dns.AddrResult) authenticity {
	if !a.mayUseDANE(h) {
		return authenticity{}
	}
	// RFC 7672 §2.1.2: MX records that nobody could check may lead anywhere.
	if h.byMX && !h.mx.Checked {
		return authenticity{asked: true, Finding: dane.Finding{Detail: "no validating resolver answered for the MX records"}}
	}
	return authenticity{
		asked: true, Finding: dane.Find(ctx, a.DANE, h.port, h.host, addrs), names: a.referenceNames(h),
	}
}

// mayUseDANE reports whether TLSA records of a next hop are asked for: those of
// hosts that the recipient domain names, unless the destination control switches
// DANE off (B21, B31).
func (a *attempt) mayUseDANE(h hop) bool {
	if !a.validates() || h.host == "" || h.profile != nil {
		return false
	}
	if !h.byMX && a.to.domain != "" && a.snapshot.Route(a.to.domain) != nil {
		return false
	}
	control, _ := a.snapshot.Control(a.to.domain)
	return control.DANE != policy.DANEOff
}

// validates reports whether there is a resolver that validates (B63).
func (a *attempt) validates() bool { return a.DANE != nil && a.DANE.Validates() }

// referenceNames are the names of which a certificate under the authority of a
// TLSA record must bear one (RFC 7672 §3.2.2), apart from the name that the
// records are published for: the host, and where signed MX records name it the
// recipient domain and what that is an alias of.
func (a *attempt) referenceNames(h hop) []mailaddr.DomainName {
	names := []mailaddr.DomainName{h.host}
	if h.byMX && h.mx.Authenticated {
		names = append(names, a.to.domain, h.mx.Canonical)
	}
	return names
}

// daneStates are the states as decisions have them.
var daneStates = map[dane.State]policy.DANEState{
	dane.Failed: policy.DANEFailed, dane.Absent: policy.DANEAbsent,
	dane.Unusable: policy.DANEUnusable, dane.Usable: policy.DANEUsable,
}

// state is what a decision goes by.
func (p authenticity) state() policy.DANEState {
	if !p.asked {
		return policy.DANEUnknown
	}
	return daneStates[p.State]
}

// addDANE adds what DNSSEC says of the host to the inputs of the decision.
func (a *attempt) addDANE(in *policy.OutboundInputs, to target) {
	in.DANE, in.DANEDetail = to.dane.state(), reply.Quote(to.dane.Detail, maxErrorOctets)
	in.UnsignedMX = to.dane.asked && to.byMX && !to.mx.Authenticated
	// B56, B63: the word of a resolver that does not validate vouches for no host.
	if a.DANE != nil && !a.DANE.Validates() {
		in.SecureMX = false
	}
}

// allNames are the reference names with that of the records, without doubles.
func (p authenticity) allNames() (names []mailaddr.DomainName) {
	for _, name := range append([]mailaddr.DomainName{p.Base}, p.names...) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// identity is equal for hosts whose certificates were held against the same; empty
// where TLSA records decide nothing. Names count only where a record asks for one,
// so that the domains of one host share its connections.
func (p authenticity) identity() string {
	if p.Base == "" {
		return ""
	}
	digest := sha256.New()
	for _, r := range p.All {
		fmt.Fprintf(digest, "%d %d %d %x\n", r.Usage, r.Selector, r.MatchingType, r.Data)
	}
	identity := p.Base.String() + " " + hex.EncodeToString(digest.Sum(nil))
	if dane.NeedsNames(p.Records) {
		identity += fmt.Sprint(p.allNames())
	}
	return identity
}

// tlsaReasons are the reasons as records have them.
var tlsaReasons = map[dane.Reason]tlsverify.Reason{
	dane.None: tlsverify.None, dane.NoCertificate: tlsverify.NoCertificate, dane.NoMatch: tlsverify.TLSAMismatch,
	dane.Broken: tlsverify.Untrusted, dane.Expired: tlsverify.Expired, dane.WrongName: tlsverify.NameMismatch,
}

// check holds the chain against the TLSA records (B63).
func (p authenticity) check(chain []*x509.Certificate, now time.Time) tlsverify.Result {
	if p.state() != policy.DANEUsable {
		r := tlsverify.Refuse(tlsverify.TLSAMismatch, "there is no usable TLSA record")
		r.ByTLSA = true
		return r
	}
	found := dane.Verify(chain, p.Records, p.allNames(), now)
	result := tlsverify.Result{
		Verified: found.Matches(), Reason: tlsaReasons[found.Reason], Detail: reply.Quote(found.Detail, maxErrorOctets),
		ChainLength: found.ChainLength, ByTLSA: true, Tried: texts(p.Records, dane.Record.String),
	}
	if found.Matches() {
		result.Detail = ""
		result.Matched = fmt.Sprintf("%s by TLSA %s", cmp.Or(found.Name, p.Base), found.Record)
	}
	return result
}

// maxShownRecords bounds the TLSA records and names that are repeated.
const maxShownRecords = 10

// texts shows things in words, as many as are shown.
func texts[T any](list []T, text func(T) string) []string {
	shown := make([]string, 0, min(len(list), maxShownRecords))
	for _, each := range list[:min(len(list), maxShownRecords)] {
		shown = append(shown, text(each))
	}
	return shown
}

// explainDANE shows what DNSSEC says of the host; nil where nobody asked.
func (to target) explainDANE() *probe.DANE {
	p := to.dane
	if !p.asked {
		return nil
	}
	shown := &probe.DANE{
		State: p.state(), Base: p.Base.String(), Records: texts(p.All, dane.Text), Usable: len(p.Records),
		SignedMX: to.byMX && to.mx.Authenticated, Detail: reply.Quote(p.Detail, maxErrorOctets),
	}
	if dane.NeedsNames(p.Records) {
		shown.Names = texts(p.allNames(), mailaddr.DomainName.String)
	}
	return shown
}
