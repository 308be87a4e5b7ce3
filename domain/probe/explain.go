// Package probe holds what the gateway would do with mail and why, without doing
// it (B71): the documents of explain, which is worked out from the configuration
// and DNS, and of verify, for which the gateway talks to the hosts as a delivery
// would, up to the point where mail would be handed over.
package probe

import (
	"postern/domain/delivery"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// Destination explains how mail for a recipient domain would go.
type Destination struct {
	Domain   string // or an address literal, in brackets
	Revision int64
	// TLS are the switches that bear on every destination (B1, B2, B3, B9).
	TLS policy.TLSSettings
	// Route is the route that decides; nil where MX records do (B31).
	Route *policy.Route
	// MX is what DNS says; nil where it is not asked.
	MX *MX
	// MTASTS is what is known of the domain's MTA-STS policy; nil where it has none, or
	// none is asked for (B60).
	MTASTS *mtasts.Finding
	// Control is the destination control with inheritance resolved (B21), and
	// Origins say which entry each of its fields comes from.
	Control    policy.DestinationControl
	Origins    []policy.FieldOrigin
	Candidates []Candidate
	// TrustAnchors are the names of the anchors that count beside the system's
	// roots where a certificate is verified (B23).
	TrustAnchors []string
	// LeftOut says which next hops are not tried because DNS leads back to this
	// system (B33); empty where it does not.
	LeftOut string
	// Outcome ends a delivery before any host is tried, as a null MX does; nil
	// where hosts are tried.
	Outcome *delivery.Outcome
}

// MX is the answer of DNS to the question for the mail exchangers of a domain.
type MX struct {
	Records []MXRecord // the best preference first
	// Null says that the domain takes no mail (RFC 7505).
	Null bool
	// Implicit says that there are no records, so that the domain itself is the
	// only host (RFC 5321 §5.1).
	Implicit bool
	// Authenticated says that a validating resolver vouches for the answer.
	Authenticated bool
	// Problem is why there is no answer.
	Problem string
}

// MXRecord is one mail exchanger.
type MXRecord struct {
	Preference int
	Host       string
}

// Candidate is one address that would be tried, in the order of trial.
type Candidate struct {
	Host string
	// ServerProfile names the host; empty where none does (B32).
	ServerProfile string
	Address       string // with port; empty where the look-up failed
	// Preference counts the tiers of next hops, from 1: those of one tier take
	// turns by chance.
	Preference int
	// Resting says that the address was out of reach lately, so that the others
	// are tried before it (B33).
	Resting  bool
	Decision policy.Decision
	// Ladder is what would be tried on new connections, one after the other, if
	// the one before fails in the handshake (B24).
	Ladder []Rung
	// OneHourListed says that the address is on the one-hour list.
	OneHourListed bool
	// Problem is why the host has no address.
	Problem string
	// DANE is what DNSSEC says of the host (B63); nil where it was not asked.
	DANE *DANE
}

// DANE is what DNSSEC and TLSA records say of a host.
type DANE struct {
	State policy.DANEState
	// Base is the name that the records are published for; empty: there are none.
	Base string
	// Records are all that are published, in presentation form, and Usable how many
	// of them count.
	Records []string
	Usable  int
	// Names are those of which a certificate under an authority must bear one.
	Names []string
	// SignedMX says that the MX records which name the host are signed.
	SignedMX bool
	// Detail explains a failure, or why there is no DANE.
	Detail string
}

// Rung is one way to use an address.
type Rung struct {
	Level policy.TLSLevel
	// SmallClientHello leaves the post-quantum group out.
	SmallClientHello bool
}

// MessageGroup explains how the mail to recipients of one message would go that
// one attempt may serve together (B29).
type MessageGroup struct {
	Recipients []int // indices in the envelope
	// Destination is nil where there are more groups than are explained at a
	// time.
	Destination *Destination
}

// Client explains what a client would be allowed on a listener.
type Client struct {
	Listener string
	Address  string
	Revision int64
	// NamesLookedUp says that an entry is a host name, so that the client's names
	// are looked up: else they bear on nothing (B13).
	NamesLookedUp bool
	// Names are the forward-confirmed names; NamesProblem is why there are none
	// although the client may have some, or why there may be more.
	Names        []string
	NamesProblem string
	// Stricter is the sender group that keeps the client waiting until its names
	// can be looked up; nil where none does.
	Stricter *Stricter
	// Groups are the sender groups that match, in order; the last one decides
	// (B12).
	Groups []Group
	// Policy is the mail flow policy as the listener applies it (B14).
	Policy policy.MailFlowPolicy
	// OffersSTARTTLS and RequiresTLS are what the client meets (B15, B26): by
	// implicit TLS the latter alone.
	OffersSTARTTLS bool
	RequiresTLS    bool
	// Exemption is the entry of the STARTTLS exemption list in force for the
	// client; nil where none is (B25).
	Exemption *policy.STARTTLSEntry
	// Certificate is what a handshake asks of the client (B17).
	Certificate CertificateDemand
	// Proxy is the entry of the PROXY trust list that holds the address: what
	// connects from it must begin with a PROXY header, and is judged by the
	// address in there (B11). Empty where none does.
	Proxy   string
	Reasons []policy.Reason
}

// Stricter is a sender group of host names that asks more of a client than the one
// it falls into, and that the client may belong to, since the look-up of its names
// failed for now: it is answered 421 (B13, B14).
type Stricter struct {
	Group string
	Asks  string // what it asks for, as "requires TLS"
}

// CertificateDemand is what becomes of a client's certificate (B17).
type CertificateDemand string

// The demands.
const (
	CertificateIgnored  CertificateDemand = "not_requested"
	CertificateVerified CertificateDemand = "verified_if_shown"
	CertificateRequired CertificateDemand = "required"
)

// Group is a sender group that matches a client.
type Group struct {
	Name   string
	Policy string
	Action policy.FlowAction
}
