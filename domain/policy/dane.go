package policy

// DANEState is what DNSSEC and TLSA records say of a candidate host (B63).
type DANEState uint8

// The DANE states.
const (
	DANEUnknown  DANEState = iota // not looked up
	DANEAbsent                    // insecure addresses, or securely no TLSA records
	DANEUsable                    // a record that authenticates
	DANEUnusable                  // records, but none we can use: TLS is mandatory all the same
	DANEFailed                    // bogus, refused or timed out: this host must wait
)

var daneStateNames = [...]string{"unknown", "absent", "usable", "unusable", "failed"}

// String returns the state's name.
func (s DANEState) String() string { return nameOf(daneStateNames[:], s) }

// demandDANE tells of mandatory DANE, and of what lifts it: without a word the
// administrator who asked for it would not learn that it is void (B21, B31).
func (d *Decision) demandDANE(in OutboundInputs) {
	if in.Control.DANE == DANEMandatory {
		d.Reasons = append(d.Reasons, Reason{
			Rule: "destination_control.dane", Entry: in.Control.Pattern.String(), Asks: "DANE, or no delivery", OverruledBy: in.remoteLiftedBy(),
		})
	}
}

// daneDecides reports whether DANE answers for the recipient domain, so that
// MTA-STS has no say any more (B63, RFC 8461 §2). It does not where unsigned MX
// records name the host: a forged one could lead past the MTA-STS policy to a host
// whose TLSA records are in the best of order. Then both must be met.
func (in OutboundInputs) daneDecides() bool {
	return in.DANE == DANEUsable && !in.UnsignedMX
}

// explained adds what is known of the cause.
func explained(what, cause string) string {
	if cause == "" {
		return what
	}
	return what + ": " + cause
}
