package delivery

import (
	"time"

	"postern/domain/policy"
)

// Evidence is what a try showed of a host beyond what was asked of it, so that
// another requirement can be held against it later (B72). A fact that was not
// seen is left out, and is no fact.
type Evidence struct {
	// ByMX says that DNS named the host, ServerProfile which profile did; a host
	// with neither is the next hop of a route.
	ByMX          bool   `json:"by_mx,omitempty"`
	ServerProfile string `json:"server_profile,omitempty"`
	// STARTTLS is what the host made of TLS; empty: it did not come to that.
	STARTTLS PeerTLS `json:"starttls,omitempty"`
	// Trusted says that the certificate led to the trust store, or was pinned.
	Trusted bool `json:"trusted,omitempty"`
	// Covers are the checks whose names the certificate has.
	Covers []policy.Check `json:"covers,omitempty"`
	// Untold are the checks of which that is not known.
	Untold []policy.Check `json:"untold,omitempty"`
	// Published is what others said about the host; nil: nothing.
	Published *Published `json:"published,omitempty"`
}

// PeerTLS is what a peer made of TLS.
type PeerTLS string

// What a peer may make of TLS.
const (
	PeerTLSUnknown PeerTLS = ""
	PeerTLSAbsent  PeerTLS = "not_offered"
	PeerTLSOffered PeerTLS = "offered" // and not tried
	PeerTLSRefused PeerTLS = "refused" // offered, and turned down before the handshake
	PeerTLSBroken  PeerTLS = "failed"  // the handshake did
	// PeerTLSInjected is that of a peer which sent clear text behind its 220 (B30).
	PeerTLSInjected PeerTLS = "injected"
	PeerTLSWorks    PeerTLS = "encrypted"
)

// Published is what the recipient domain and the message said about TLS.
type Published struct {
	DANE          string `json:"dane,omitempty"`
	UnsignedMX    bool   `json:"unsigned_mx,omitempty"` // its TLSA records do not answer for the domain
	MTASTS        string `json:"mta_sts,omitempty"`
	SecureMX      bool   `json:"secure_mx,omitempty"`
	TLSRequiredNo bool   `json:"tls_required_no,omitempty"`
	// MTASTSPolicy is the policy behind MTASTS; nil: the domain has none.
	MTASTSPolicy *MTASTSEvidence `json:"mta_sts_policy,omitempty"`
}

// MTASTSEvidence is the policy of the recipient domain that was in force, and why a
// newer one was not known (B60).
type MTASTSEvidence struct {
	Mode      string    `json:"mode,omitempty"` // empty: no policy was in force
	ID        string    `json:"id,omitempty"`
	FetchedAt time.Time `json:"fetched_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Pinned    bool      `json:"pinned,omitempty"`
	Problem   string    `json:"problem,omitempty"` // as sts-policy-fetch-error
	Detail    string    `json:"detail,omitempty"`
}

// PublishedIn takes from the inputs of a decision what no configuration says;
// nil where there is nothing.
func PublishedIn(in *policy.OutboundInputs) *Published {
	p := Published{SecureMX: in.SecureMX, UnsignedMX: in.UnsignedMX, TLSRequiredNo: in.TLSRequiredNo}
	if in.DANE != policy.DANEUnknown {
		p.DANE = in.DANE.String()
	}
	if in.MTASTS != policy.MTASTSNone {
		p.MTASTS = in.MTASTS.String()
	}
	if p == (Published{}) {
		return nil
	}
	return &p
}

// Fill puts what was published into the inputs of a decision.
func (p *Published) Fill(in *policy.OutboundInputs) {
	if p == nil {
		return
	}
	for state := policy.DANEUnknown; state <= policy.DANEFailed; state++ {
		if state.String() == p.DANE {
			in.DANE = state
		}
	}
	for state := policy.MTASTSNone; state <= policy.MTASTSUnknown; state++ {
		if state.String() == p.MTASTS {
			in.MTASTS = state
		}
	}
	in.SecureMX, in.UnsignedMX, in.TLSRequiredNo = p.SecureMX, p.UnsignedMX, p.TLSRequiredNo
}
