package smtptest

// Action is what an [MX] does at a stage instead of the ordinary reply.
type Action struct {
	// Reply is the reply, codes and all, lines separated by "\n"; empty means the
	// ordinary one.
	Reply string
	// Silent leaves the reply out.
	Silent bool
	// Then is what follows.
	Then Then
}

// Then is what follows a reply.
type Then uint8

// What can follow.
const (
	Continue Then = iota // the session goes on
	Close                // the connection is closed
	Reset                // the connection is reset (RST)
	Stall                // silence until the client gives up
)

// Answer gives a reply and goes on.
func Answer(reply string) Action { return Action{Reply: reply} }

// Drop closes the connection without a reply.
func Drop() Action { return Action{Silent: true, Then: Close} }

// Silence never replies.
func Silence() Action { return Action{Silent: true, Then: Stall} }

// StartTLS is what becomes of STARTTLS at an [MX].
type StartTLS uint8

// The fates of STARTTLS.
const (
	StartTLSWorks    StartTLS = iota
	StartTLSHidden            // not offered, the command gets 502
	StartTLSRefused           // offered, the command gets 454
	StartTLSClosed            // 220, then the connection is closed
	StartTLSGarbage           // 220, then text instead of a ServerHello
	StartTLSBroken            // 220, then a fatal alert instead of a ServerHello
	StartTLSStalled           // 220, then silence
	StartTLSInjected          // 220 and a second reply in one segment, before the handshake
	StartTLSAborted           // the connection is closed after the handshake
)
