// Package whatif tries a change on what really happened: recorded incoming
// sessions and outgoing attempts are judged under the configuration before and
// under the one that a draft would make, and what would end otherwise is counted
// (B72).
//
// # What can be told
//
// A judgement holds configuration against evidence: what a client or host showed
// when it was there. What it did not show is not guessed. Whether a client that
// was never offered STARTTLS would use it is unknown; so are a certificate that
// nobody asked for, a host that was not tried, the names of a client that were
// not looked up. Such judgements are of class Unknown, and counted by themselves.
// Where the configuration asks the same before and after, nothing changes,
// whatever is known.
//
// Two assumptions stand behind the other classes. A client that used TLS, and
// would be offered none, is taken to go on in clear: the worst that could happen.
// A host is judged by the addresses that the attempt met, as if there were no
// others.
//
// A class is about handing mail over. Whether the other side would then take it
// is known only where it was asked: a recipient that it refused stays refused.
package whatif

// Class is what becomes of a session or an attempt.
type Class string

// The classes.
const (
	Verified  Class = "verified"  // under TLS, with a certificate that proves who the other side is
	Encrypted Class = "encrypted" // under TLS
	Clear     Class = "clear"     // without
	Deferred  Class = "deferred"  // an attempt that waits for a better day
	Refused   Class = "refused"   // a session in which mail is refused
	Bounced   Class = "bounced"   // an attempt that fails for good
	Unknown   Class = "cannot_be_told"
)

// Handed reports whether mail is handed over.
func (c Class) Handed() bool { return c == Verified || c == Encrypted || c == Clear }

// stopped reports whether mail is known not to be.
func (c Class) stopped() bool { return c == Deferred || c == Refused || c == Bounced }

// Transition is a change of class.
type Transition struct{ From, To Class }

// gravity orders transitions, the worst first: mail that no longer passes, mail
// that loses its protection, what cannot be told, and what gets better.
func (t Transition) gravity() int {
	switch {
	case t.From.Handed() && t.To == Bounced:
		return 0
	case t.From == Clear && t.To.stopped(): // a partner who cannot do TLS
		return 1
	case t.From.Handed() && t.To.stopped():
		return 2
	case t.From.stopped() && t.To == Bounced:
		return 3
	case t.From == Unknown && t.To.stopped():
		return 4
	case t.From.Handed() && t.To == Clear:
		return 5
	case t.From == Verified && t.To == Encrypted:
		return 6
	case t.From == Unknown && t.To.Handed(), t.To == Unknown:
		return 7
	}
	return 8
}
