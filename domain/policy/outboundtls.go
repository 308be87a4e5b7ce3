package policy

import "slices"

// Effective weighs every rule that speaks about a destination and returns the
// strictest requirement, with the reasons (B27). It never grants clear text
// where any rule in force asks for TLS.
func Effective(in OutboundInputs) Decision {
	if in.Control.DANE == DANEOff {
		in.DANE = DANEUnknown // B21
	}
	d := Decision{
		Domain:     in.Domain,
		MinVersion: in.Control.MinVersion.Or(in.TLS.MinVersion),
	}
	claims := claimsOf(in)
	d.Level = strictest(claims)
	winner := d.settle(claims)
	d.exempt(in, winner)
	d.BounceAtOnce = d.Mandatory() && (in.Control.BounceAtOnce || in.Requirement != nil && in.Requirement.BounceAtOnce)
	// B24: the one-hour list is for opportunistic levels only.
	d.RetryWithoutTLS = in.TLS.RetryWithoutTLS && d.opportunistic()
	// B32: optional STARTTLS of a server profile, where no other rule makes TLS
	// mandatory.
	d.ClearAfterFailedTLS = in.Profile != nil && in.Profile.Optional && d.opportunistic()
	d.RequireTLS = in.RequireTLS
	d.Refused = refusal(in, d)
	d.switchOff(in, winner)
	d.demandDANE(in)
	d.passOverHeader(in)
	d.report(in.ReportOnly)
	return d
}

// settle takes over the checks and reasons of the claims, and returns the first
// rule that asks for the level. A claim weaker than that, with no check of its
// own, was overruled by it.
func (d *Decision) settle(claims []claim) (winner string) {
	for _, c := range claims {
		if c.reason.OverruledBy == "" && c.level == d.Level && winner == "" {
			winner = c.reason.Rule
		}
	}
	for _, c := range claims {
		switch {
		case c.reason.OverruledBy != "":
		case c.check != CheckNothing:
			if !slices.Contains(d.Checks, c.check) {
				d.Checks = append(d.Checks, c.check)
			}
		case c.level < d.Level:
			c.reason.OverruledBy = winner
		}
		d.Reasons = append(d.Reasons, c.reason)
	}
	return winner
}

// exempt applies the STARTTLS exemption list: it ends opportunistic TLS, and
// loses against everything mandatory (B25, B26).
func (d *Decision) exempt(in OutboundInputs, winner string) {
	if in.Exemption == nil {
		return
	}
	reason := in.Exemption.reason("starttls_exemption", "none")
	if d.Mandatory() {
		reason.OverruledBy = winner
		d.Reasons = append(d.Reasons, reason)
		return
	}
	for i := range d.Reasons {
		if d.Reasons[i].OverruledBy == "" && d.Level > TLSNone {
			d.Reasons[i].OverruledBy = reason.Rule
		}
	}
	d.Level = TLSNone
	d.Reasons = append(d.Reasons, reason)
}

// switchOff applies the master switch: nothing is encrypted, and what must be
// encrypted waits (B1).
func (d *Decision) switchOff(in OutboundInputs, winner string) {
	if in.TLS.Enabled {
		return
	}
	reason := Reason{Rule: "tls.enabled", Entry: "false", Asks: "none"}
	if d.Mandatory() {
		d.Refused = &Refusal{
			Rule: reason.Rule, Code: "4.7.4",
			Detail: "TLS is switched off here, and " + winner + " makes it mandatory",
		}
		d.Reasons = append(d.Reasons, reason)
		return
	}
	for i := range d.Reasons {
		if d.Reasons[i].OverruledBy == "" && d.Level > TLSNone {
			d.Reasons[i].OverruledBy = reason.Rule
		}
	}
	d.Level, d.RetryWithoutTLS, d.ClearAfterFailedTLS = TLSNone, false, false
	d.Reasons = append(d.Reasons, reason)
}

// refusal names the first thing that bars the host altogether.
func refusal(in OutboundInputs, d Decision) *Refusal {
	remote := in.remoteLiftedBy() == ""
	switch {
	// B57: before a permanent refusal, since a look-up that failed is no
	// requirement that failed.
	case remote && in.DANE == DANEFailed:
		return &Refusal{Rule: "dane", Code: "4.7.5", Detail: explained("the DNSSEC look-up for the host failed", in.DANEDetail)}
	case remote && in.MTASTS == MTASTSUnknown && !in.daneDecides():
		return &Refusal{Rule: "mta_sts", Code: "4.4.3", Detail: "whether the domain has an MTA-STS policy could not be found out"}
	case in.RequireTLS && !in.vouchedFor():
		return &Refusal{Rule: "requiretls", Code: "5.7.10", Detail: "neither MTA-STS nor DNSSEC vouches for the MX host"}
	case remote && in.Control.DANE == DANEMandatory && in.DANE != DANEUsable:
		return &Refusal{
			Rule: "destination_control", Code: "4.7.5",
			Detail: explained("DANE is mandatory and the host has no usable TLSA record", in.DANEDetail),
		}
	// RFC 7672 §2.2.1: a host that unsigned MX records name is no secure way to the
	// domain.
	case remote && in.Control.DANE == DANEMandatory && in.UnsignedMX:
		return &Refusal{Rule: "destination_control", Code: "4.7.5", Detail: "DANE is mandatory and the MX records are not signed"}
	case remote && in.MTASTS == MTASTSUnlisted && !in.daneDecides():
		return &Refusal{Rule: "mta_sts", Code: "4.7.5", Detail: "the MTA-STS policy does not list the host"}
	}
	return nil
}
