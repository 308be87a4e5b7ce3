package main

import "fmt"

// shape is what a scenario does.
type shape int

const (
	flow  shape = iota // mail for a while, and all of it behind the relay
	idle               // connections that do nothing
	drain              // mail that waits for its next hop, then that it is delivered
)

// scenario is one kind of work for a relay.
type scenario struct {
	id            string
	title         string
	shape         shape
	secure        bool // STARTTLS on both legs
	size          int  // of the body, in bytes
	connections   int
	perConnection int // messages
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// recipientDomains is over how many destinations the mail is spread.
const recipientDomains = 20

// scenarios are those of the performance goals.
var scenarios = []scenario{
	{"A", "4 KiB, one message a connection, STARTTLS on both legs", flow, true, 4 * kib, 20, 1},
	{"B", "4 KiB, 100 messages a connection, STARTTLS on both legs", flow, true, 4 * kib, 20, 100},
	{"C", "as B, in clear", flow, false, 4 * kib, 20, 100},
	{"D", "1 MiB, 100 messages a connection, STARTTLS on both legs", flow, true, mib, 10, 100},
	{"E", "idle connections after STARTTLS and EHLO", idle, true, 0, 0, 0},
	{"F", "queued while the next hop is down, then drained", drain, true, 4 * kib, 20, 100},
}

// scenarioOf returns the scenario of that letter.
func scenarioOf(id string) (scenario, error) {
	for _, s := range scenarios {
		if s.id == id {
			return s, nil
		}
	}
	return scenario{}, fmt.Errorf("there is no scenario %q", id)
}

// mail returns the scenario's load on an address.
func (s scenario) mail(address string) load {
	return load{
		address: address, secure: s.secure, connections: s.connections, perConnection: s.perConnection,
		size: s.size, domains: recipientDomains,
	}
}
