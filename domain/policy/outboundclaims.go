package policy

// claim is what one rule asks for, before the rules are weighed.
type claim struct {
	reason Reason
	level  TLSLevel
	check  Check
}

// claimsOf lists what each rule in force asks for, in the order in which an
// administrator would look for them.
func claimsOf(in OutboundInputs) []claim {
	claims := []claim{controlClaim(in)}
	if in.Profile != nil {
		claims = append(claims, claim{
			reason: Reason{Rule: "server_profile", Entry: in.Profile.Name, Asks: in.Profile.Level.String()},
			level:  in.Profile.Level, check: in.Profile.Check,
		})
	}
	if in.Requirement != nil {
		// B25: encrypted or deferred; the certificate is not checked.
		claims = append(claims, claim{
			reason: in.Requirement.reason("starttls_requirement", "required"),
			level:  TLSRequired,
		})
	}
	remote := remoteClaims(in)
	claims = append(claims, remote...)
	if len(remote) > 0 && in.remoteLiftedBy() == liftedByHeader {
		claims = append(claims, headerClaim())
	}
	if in.RequireTLS {
		claims = append(claims, requireTLSClaim(in))
	}
	return claims
}

func controlClaim(in OutboundInputs) claim {
	level := TLSNone
	if in.Control.TLSLevel != nil {
		level = *in.Control.TLSLevel
	}
	c := claim{
		reason: Reason{Rule: "destination_control", Entry: in.Control.Pattern.String(), Asks: level.String()},
		level:  level,
	}
	// B2: the default destination control acts as preferred, for those too that
	// inherit from it.
	if in.TLS.SendSTARTTLS && in.LevelIsDefault && level == TLSNone {
		c.level = TLSPreferred
		c.reason = Reason{Rule: "tls.send_starttls", Entry: "default", Asks: "preferred"}
	}
	switch level {
	case TLSRequiredVerify:
		c.check = CheckDomain
	case TLSRequiredVerifyHosted:
		c.check = CheckHosted
	}
	return c
}

// remoteClaims are those that the recipient domain publishes: DANE, and
// MTA-STS where DANE has not decided already (B63, RFC 8461 §2).
func remoteClaims(in OutboundInputs) []claim {
	lifted := in.remoteLiftedBy()
	var claims []claim
	if in.DANE == DANEUsable || in.DANE == DANEUnusable {
		c := claim{
			reason: Reason{Rule: "dane", Entry: in.DANE.String(), Asks: "required", OverruledBy: lifted},
			level:  TLSRequired,
		}
		if in.DANE == DANEUsable {
			c.check, c.reason.Asks = CheckDANE, "required, authenticated by TLSA"
		}
		claims = append(claims, c)
	}
	if in.MTASTS == MTASTSEnforce || in.MTASTS == MTASTSUnlisted {
		c := claim{
			reason: Reason{Rule: "mta_sts", Entry: in.MTASTS.String(), Asks: "required, verified as the MX host", OverruledBy: lifted},
			level:  TLSRequired, check: CheckMXHost,
		}
		if lifted == "" && in.daneDecides() {
			c.reason.OverruledBy = "dane"
		}
		claims = append(claims, c)
	}
	return claims
}

// requireTLSClaim is RFC 8689 §2: TLS, and a certificate that matches the MX
// host or its TLSA records (B56).
func requireTLSClaim(in OutboundInputs) claim {
	c := claim{
		reason: Reason{Rule: "requiretls", Asks: "required, verified as the MX host"},
		level:  TLSRequired, check: CheckMXHost,
	}
	if in.DANE == DANEUsable && !in.Routed {
		c.check = CheckDANE
	}
	return c
}

// strictest returns the highest level that a claim in force asks for.
func strictest(claims []claim) TLSLevel {
	level := TLSNone
	for _, c := range claims {
		if c.reason.OverruledBy == "" {
			level = max(level, c.level)
		}
	}
	return level
}
