// Package probe holds what the gateway would do and why, without doing it: the
// documents of explain (B71).
package probe

import (
	"postern/domain/delivery"
	"postern/domain/policy"
)

// Destination explains how mail for a recipient domain would go.
type Destination struct {
	Domain   string
	Revision int64
	// Route is the route that decides; nil where MX records do (B31).
	Route *policy.Route
	// Control is the destination control with inheritance resolved (B21).
	Control    policy.DestinationControl
	Candidates []Candidate
	// TrustAnchors are the names of the anchors that count beside the system's
	// roots where a certificate is verified (B23).
	TrustAnchors []string
	// Outcome ends a delivery before any host is tried, as a null MX does; nil
	// where hosts are tried.
	Outcome *delivery.Outcome
}

// Candidate is one address that would be tried, in the order of trial.
type Candidate struct {
	Host string
	// ServerProfile names the host; empty where none does (B32).
	ServerProfile string
	Address       string // with port; empty where the look-up failed
	Decision      policy.Decision
	// Ladder is what would be tried on new connections, one after the other, if
	// the one before fails in the handshake (B24).
	Ladder []Rung
	// OneHourListed says that the address is on the one-hour list.
	OneHourListed bool
	// Problem is why the host has no address.
	Problem string
}

// Rung is one way to use an address.
type Rung struct {
	Level policy.TLSLevel
	// SmallClientHello leaves the post-quantum group out.
	SmallClientHello bool
}

// Client explains what a client would be allowed on a listener.
type Client struct {
	Listener string
	Address  string
	Revision int64
	// Names are the forward-confirmed names; NamesProblem why there are none.
	Names        []string
	NamesProblem string
	// Groups are the sender groups that match, in order; the last one decides
	// (B12).
	Groups []Group
	// Policy is the mail flow policy as the listener applies it (B14).
	Policy policy.MailFlowPolicy
	// OffersSTARTTLS and RequiresTLS are what the client meets (B15, B26).
	OffersSTARTTLS bool
	RequiresTLS    bool
	// Exemption is the entry of the STARTTLS exemption list in force for the
	// client; nil where none is (B25).
	Exemption *policy.STARTTLSEntry
	Reasons   []policy.Reason
}

// Group is a sender group that matches a client.
type Group struct {
	Name   string
	Policy string
	Action policy.FlowAction
}
