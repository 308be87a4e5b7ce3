// Package delivery holds what a message is between its acceptance and its
// settlement: the envelope, its recipients, the outcome of each try, and the
// schedule of tries. Nothing in it does I/O.
package delivery

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// MessageID is the queue id of a message: time-ordered, so that ids sort as
// messages arrived.
type MessageID uint64

// idEncoding is Crockford's base 32: sorts like the number, no I, L, O, U.
var idEncoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// idTimeShift leaves 22 bits to tell ids of one millisecond apart; with their
// milliseconds counted from 2020, ids fit into 63 bits until 2089.
const (
	idTimeShift = 22
	idEpoch     = 1577836800000 // 2020-01-01T00:00:00Z in Unix milliseconds
)

// NewMessageID returns an id of the moment's millisecond, told apart from its
// other ids by the low bits. With 0 it is the least of them, which bounds those
// before and after the moment.
func NewMessageID(at time.Time, low uint32) MessageID {
	return MessageID(uint64(max(at.UnixMilli()-idEpoch, 0))<<idTimeShift | uint64(low)&(1<<idTimeShift-1))
}

// IDSource makes message ids that rise with time and never repeat within a
// process. The zero value is ready for use by several goroutines.
type IDSource struct{ last atomic.Uint64 }

// Next returns an id for the moment. Its low bits are random, so that ids do
// not tell how much mail there is; where that is not above the last id (a
// crowded millisecond, a clock set back), the id is the one after the last.
func (s *IDSource) Next(now time.Time, random uint32) MessageID {
	candidate := uint64(NewMessageID(now, random))
	for {
		last := s.last.Load()
		next := max(candidate, last+1)
		if s.last.CompareAndSwap(last, next) {
			return MessageID(next)
		}
	}
}

// String returns the id as 13 characters, as logs, replies and URLs show it.
func (id MessageID) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return idEncoding.EncodeToString(b[:])
}

// MarshalText returns the id's 13 characters.
func (id MessageID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseMessageID reads what [MessageID.String] wrote, in either case.
func ParseMessageID(s string) (MessageID, error) {
	b, err := idEncoding.DecodeString(strings.ToUpper(s))
	if err != nil || len(b) != 8 {
		return 0, domain.E(domain.Invalid, "%q is no queue id: it has 13 letters and digits", s)
	}
	return MessageID(binary.BigEndian.Uint64(b)), nil
}

// SessionTLS is the state of TLS on one connection, inbound or outbound.
type SessionTLS struct {
	Version string `json:"version,omitempty"` // as TLS1.3; empty: clear
	Cipher  string `json:"cipher,omitempty"`
	// Verified says that the peer's certificate was held against the names and
	// trust anchors that the rule asks for, and passed.
	Verified bool `json:"verified,omitempty"`
	// Verification says why not, or what matched.
	Verification string `json:"verification,omitempty"`
}

// Encrypted reports whether the connection was encrypted.
func (t SessionTLS) Encrypted() bool { return t.Version != "" }

// Envelope is what SMTP says about a message, apart from its recipients.
type Envelope struct {
	ID         MessageID
	Sender     mailaddr.Mailbox // null for bounces
	ReceivedAt time.Time
	Listener   string
	ClientAddr string
	ClientHELO string
	ClientTLS  SessionTLS
	// Size is the length of the body in octets as it will be sent on, with our
	// Received header, before dot-stuffing.
	Size int64
	// EightBit says that the body has octets above 127 (RFC 6152).
	EightBit bool
	// UTF8 says that addresses or headers need SMTPUTF8 (RFC 6531).
	UTF8 bool
	// RequireTLS says that the client flagged the message with REQUIRETLS, for
	// all recipients. The flag is kept here and never in a header (B58).
	RequireTLS bool
	// TLSRequiredNo says that the header asks for delivery even where MTA-STS or
	// DANE would hold the message back: TLS-Required: No (B58; RFC 8689 §3).
	TLSRequiredNo bool
	// Return is the RET parameter, "FULL", "HDRS" or empty (RFC 3461).
	Return     string
	EnvelopeID string
	// Revision of the configuration that accepted the message.
	Revision int64
	// Held keeps the message from being tried until it is released (B76).
	Held bool
	// HeldReason says why it is held, as [HeldByFilters] and [HeldBy] do; empty
	// where it is not, or where it was held before reasons were kept.
	HeldReason string
	// DelayNoticeSent says that the sender was told of the delay (B75).
	DelayNoticeSent bool
}

// RecipientState is where a recipient stands.
type RecipientState uint8

// The states of a recipient.
const (
	RecipientQueued    RecipientState = iota // to be tried at NextAttempt
	RecipientDelivered                       // a peer has taken it
	RecipientBounced                         // failed for good, the sender was told
	RecipientDeleted                         // removed by an administrator
)

var recipientStateNames = [...]string{"queued", "delivered", "bounced", "deleted"}

// String returns the state's name in API and logs.
func (s RecipientState) String() string {
	return recipientStateNames[min(int(s), len(recipientStateNames)-1)]
}

// Final reports whether nothing more will be tried.
func (s RecipientState) Final() bool { return s != RecipientQueued }

// Recipient is one address of a message, with its progress.
type Recipient struct {
	Index   int // position in the envelope, from 0
	Address mailaddr.Mailbox
	// Notify is the NOTIFY parameter, comma-separated, upper case; empty means
	// failure and delay (RFC 3461 §4.1).
	Notify string
	// OriginalRecipient is the ORCPT parameter as "type;address".
	OriginalRecipient string
	// RequireTLS flags this recipient's copy of the message, by its address or by
	// a content filter (B55).
	RequireTLS  bool
	State       RecipientState
	Attempts    int
	NextAttempt time.Time
	Last        Outcome
}

// Message is an envelope, its recipients and its body.
type Message struct {
	Envelope
	Recipients []Recipient
	Body       Body
}

// RequiresTLS reports whether the recipient at the position must get the message
// under REQUIRETLS or not at all (B55).
func (m *Message) RequiresTLS(recipient int) bool {
	return m.RequireTLS || m.Recipients[recipient].RequireTLS
}

// Body gives the octets of a message, CRLF line ends, not dot-stuffed. It may
// be opened more than once.
type Body interface {
	Size() int64
	Open() (io.ReadCloser, error)
}

// BytesBody is a body in memory.
type BytesBody []byte

var _ Body = BytesBody(nil)

// Size returns the length in octets.
func (b BytesBody) Size() int64 { return int64(len(b)) }

// Open returns a reader of the octets.
func (b BytesBody) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
