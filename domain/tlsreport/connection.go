// Package tlsreport counts what became of TLS (B66): for each hour, direction
// and domain, how many connections had to be encrypted or could be, and how that
// went; how many messages they carried under TLS and in clear; by which TLS
// version and cipher, and what verification found.
//
// # What is counted
//
// A connection counts once, in the hour in which its fate was known: an outgoing
// one when it is ready for mail or has failed, an incoming one at its end. One
// that ended before TLS was a question does not count: a host that was not
// reached, a client that was refused or said nothing. A reused connection is not
// a new one. A message counts with each peer that took it, in the hour in which
// it did.
//
// The domain of an outgoing connection is that of the recipients. That of an
// incoming one is the organisational domain of the client's confirmed name, or
// its address (a /64 of IPv6) where it has none or none was looked up. What a
// client says of itself, in EHLO or MAIL, is no evidence and not used.
//
// # Durability
//
// Counting happens in memory. Every few seconds, before a report and at the stop
// the figures are added to those in the store: a crash loses the last seconds.
package tlsreport

import (
	"net/netip"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/policy"
)

// Direction is which way mail flows over a connection.
type Direction string

// The directions.
const (
	Incoming Direction = "incoming"
	Outgoing Direction = "outgoing"
)

// Directions lists them in the order of reports.
func Directions() []Direction { return []Direction{Incoming, Outgoing} }

// ParseDirection reads a direction's name; empty stands for both.
func ParseDirection(s string) (Direction, error) {
	switch d := Direction(s); d {
	case "", Incoming, Outgoing:
		return d, nil
	}
	return "", domain.E(domain.Invalid, "%q is no direction: use incoming or outgoing", s)
}

// Requirement is how much TLS a connection was to have.
type Requirement string

// The requirements.
const (
	Required  Requirement = "required"  // mail only under TLS
	Preferred Requirement = "preferred" // TLS where the other side can
	NoTLS     Requirement = "none"      // neither asked for nor offered
)

// RequirementOf returns the class of a level (B22).
func RequirementOf(level policy.TLSLevel) Requirement {
	switch {
	case level.Mandatory():
		return Required
	case level == policy.TLSNone:
		return NoTLS
	}
	return Preferred
}

// Connection is what is known of a connection when it is counted.
type Connection struct {
	Direction Direction
	// Domain is what it is counted under; see the package comment.
	Domain      string
	Requirement Requirement
	Result      delivery.TLSResult
	TLS         delivery.SessionTLS
	// Host is the name or address of the peer, and Detail says why TLS failed;
	// neither is counted by.
	Host, Detail string
}

// ClientDomain is the domain of a client without a name: its address, or the
// network of 64 bits in which an IPv6 client is at home.
func ClientDomain(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr.String()
	}
	network, _ := addr.Prefix(64) // it has as many bits
	return network.String()
}
