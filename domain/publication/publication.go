// Package publication is what a domain of ours should say in DNS and on the web so
// that others send to it by TLS, and how that compares with what it does say (B61).
package publication

import (
	"context"

	"postern/domain/mailaddr"
)

// Purpose is what a record is for.
type Purpose string

// The purposes.
const (
	PurposeMX         Purpose = "mx"
	PurposeMTASTS     Purpose = "mta_sts"      // the TXT record with the id
	PurposeMTASTSHost Purpose = "mta_sts_host" // the name of the web server
	PurposePolicy     Purpose = "mta_sts_policy"
	PurposeTLSRPT     Purpose = "tls_rpt"
	PurposeTLSA       Purpose = "tlsa"
)

// Record is a DNS record to publish.
type Record struct {
	Purpose Purpose
	Name    mailaddr.DomainName
	Type    string // MX, TXT, CNAME or TLSA
	Value   string // as in a zone file
	Note    string // what to mind; may be empty
}

// State is how a record compares with what is published.
type State string

// The states.
const (
	StateGood    State = "good"
	StateMissing State = "missing"
	StateDiffers State = "differs"
	StateUnknown State = "unknown" // DNS gave no answer
)

// Check is a record with what is published in its place.
type Check struct {
	Record
	State     State
	Published []string // as DNS or the web server have it, quoted and bounded
	Detail    string   // what to do about it; empty where it is good
}

// Publisher says what to publish and what is published. Errors are of kind NotFound
// for what is no hosted domain.
type Publisher interface {
	Records(name mailaddr.DomainName) ([]Record, error)
	// Check looks up what is published.
	Check(ctx context.Context, name mailaddr.DomainName) ([]Check, error)
	// Proof says of each MX host why a sender that obeys MTA-STS could not deliver
	// to it; empty where it could.
	Proof(ctx context.Context, name mailaddr.DomainName) ([]HostProof, error)
}

// HostProof is what a live test of an MX host found.
type HostProof struct {
	Host   mailaddr.DomainName
	Listed bool   // by our policy
	Fault  string // empty: none
}
