package whatif

import (
	"slices"
	"strings"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// Peer is what one attempt showed of an address.
type Peer struct {
	Host, Address string
	// Evidence is that of the try which tells most; nil where no connection came
	// about, or none was kept.
	Evidence *delivery.Evidence
	TLS      delivery.SessionTLS
	// MinVersion was asked of the handshake.
	MinVersion policy.TLSVersion
	// reached says that the peer was ready for mail; stuck that it failed under
	// TLS, for no reason of ours; outOfReach that there was no connection.
	reached, stuck, outOfReach bool
	// lacking says that the peer does not offer REQUIRETLS.
	lacking bool
}

// Peers are the addresses that an attempt met, in order. Several tries of one
// address count as one.
func Peers(a *delivery.Attempt) []Peer {
	var peers []Peer
	for i := range a.Hosts {
		try := &a.Hosts[i]
		at := slices.IndexFunc(peers, func(p Peer) bool { return p.Host == try.Host && p.Address == try.Address })
		if at < 0 {
			at = len(peers)
			peers = append(peers, Peer{Host: try.Host, Address: try.Address, MinVersion: a.Decision.MinVersion})
		}
		peers[at].add(try)
	}
	return peers
}

// add takes over what another try showed.
func (p *Peer) add(try *delivery.HostTry) {
	switch try.Stage {
	case delivery.StageTransfer, delivery.StageAuth:
		p.reached = true
	case delivery.StageNames, delivery.StageConnect:
		p.outOfReach = true
	case delivery.StageExtensions:
		p.lacking = true
	}
	if try.Evidence == nil || p.Evidence != nil && tells(try.Evidence) <= tells(p.Evidence) {
		return
	}
	p.Evidence, p.TLS = try.Evidence, try.TLS
	p.stuck = try.Evidence.STARTTLS == delivery.PeerTLSWorks && try.Stage == delivery.StageSTARTTLS
}

// tells is how much evidence says about TLS.
func tells(e *delivery.Evidence) int {
	return slices.Index([]delivery.PeerTLS{
		delivery.PeerTLSUnknown, delivery.PeerTLSOffered, delivery.PeerTLSAbsent, delivery.PeerTLSRefused,
		delivery.PeerTLSBroken, delivery.PeerTLSInjected, delivery.PeerTLSWorks,
	}, e.STARTTLS)
}

// Under returns what becomes of mail to the peer under a decision. trusted says
// that what is known of the trust in its certificate still holds.
func (p *Peer) Under(d policy.Decision, trusted bool) Class {
	switch {
	case d.Refused != nil && strings.HasPrefix(d.Refused.Code, "5"):
		return Bounced
	case d.Refused != nil:
		return Deferred
	case p.Evidence == nil && p.outOfReach:
		return Deferred
	case p.Evidence == nil:
		return Unknown
	case d.Level == policy.TLSNone:
		return Clear
	}
	switch p.Evidence.STARTTLS {
	case delivery.PeerTLSAbsent, delivery.PeerTLSRefused:
		// B22: what is refused before the 220 has not failed.
		if d.Mandatory() {
			return withoutTLS(d)
		}
		return Clear
	case delivery.PeerTLSBroken:
		if p.MinVersion != d.MinVersion {
			return Unknown
		}
		return p.broken(d)
	case delivery.PeerTLSInjected:
		return withoutTLS(d) // B30: never stepped down from
	case delivery.PeerTLSWorks:
		return p.encrypted(d, trusted)
	}
	return p.untried()
}

// untried is for a peer of which no handshake is known.
func (p *Peer) untried() Class {
	if p.Evidence.STARTTLS == delivery.PeerTLSUnknown && p.outOfReach {
		return Deferred
	}
	return Unknown
}

// withoutTLS is what mandatory TLS that cannot be had comes to.
func withoutTLS(d policy.Decision) Class {
	// B28, B57: at once by an option of the entry, or under REQUIRETLS.
	if d.BounceAtOnce || d.RequireTLS {
		return Bounced
	}
	return Deferred
}

// broken is for a handshake that fails: clear text only where the decision
// grants it (B24, B32).
func (p *Peer) broken(d policy.Decision) Class {
	if !d.Mandatory() && (d.RetryWithoutTLS || d.ClearAfterFailedTLS) {
		return Clear
	}
	return withoutTLS(d)
}

// encrypted is for a handshake that succeeded.
func (p *Peer) encrypted(d policy.Decision, trusted bool) Class {
	if p.TLS.Version < "TLS"+d.MinVersion.String() {
		return p.broken(d)
	}
	passed, known := p.passes(d.Checks, trusted)
	switch {
	case !known:
		return Unknown
	case !passed && d.ClearAfterFailedTLS && !d.Mandatory():
		return Clear
	case !passed:
		return withoutTLS(d)
	case d.RequireTLS && p.lacking:
		return Bounced // B57
	case p.stuck:
		return Deferred
	case p.proves(d):
		return Verified
	}
	return Encrypted
}

// passes reports whether the certificate passes every check, and whether that is
// known. One that fails settles it, whatever the others would say.
func (p *Peer) passes(checks []policy.Check, trusted bool) (passed, known bool) {
	known = true
	for _, check := range checks {
		ok, told := p.passesOne(check, trusted)
		if told && !ok {
			return false, true
		}
		known = known && told
	}
	return known, known
}

func (p *Peer) passesOne(check policy.Check, trusted bool) (passed, known bool) {
	e := p.Evidence
	covered := slices.Contains(e.Covers, check)
	switch {
	case check == policy.CheckDANE:
		return covered, covered // TLSA records were held against it only where they had to be
	case !trusted:
		return false, !covered && !slices.Contains(e.Untold, check) // a name that is missing stays missing
	case !e.Trusted:
		return false, true
	}
	return covered, !slices.Contains(e.Untold, check)
}

// proves reports whether the certificate is known to prove who the peer is, by
// the checks of the decision or else by the one that is made for the record (B22).
func (p *Peer) proves(d policy.Decision) bool {
	if len(d.Checks) > 0 {
		return true // it has passed them
	}
	forRecord := policy.CheckMXHost
	if d.Level == policy.TLSPreferredVerify {
		forRecord = policy.CheckDomain
	}
	return p.Evidence.Trusted && slices.Contains(p.Evidence.Covers, forRecord)
}
