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
