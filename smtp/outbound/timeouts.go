package outbound

import "time"

// Timeouts bound every wait of a session.
type Timeouts struct {
	Connect    time.Duration // one TCP connection to one address
	Greeting   time.Duration
	Hello      time.Duration // EHLO, HELO, STARTTLS up to its reply
	Handshake  time.Duration
	Mail       time.Duration // MAIL and RSET
	Recipient  time.Duration
	DataStart  time.Duration // DATA up to its 354
	DataBlock  time.Duration // each write
	DataEnd    time.Duration // after the last octet
	Quit       time.Duration
	LastWords  time.Duration // a reply that may explain why the peer closed
	StopDuring time.Duration // what remains of DataEnd when we are stopped in it
}

// DefaultTimeouts returns those of RFC 5321 §4.5.3.2, which are minutes: a peer
// that scans what it takes needs them. Connecting and shaking hands need no
// thought, and get less.
func DefaultTimeouts() Timeouts {
	return Timeouts{
		Connect:    30 * time.Second,
		Greeting:   5 * time.Minute,
		Hello:      5 * time.Minute,
		Handshake:  time.Minute,
		Mail:       5 * time.Minute,
		Recipient:  5 * time.Minute,
		DataStart:  2 * time.Minute,
		DataBlock:  3 * time.Minute,
		DataEnd:    10 * time.Minute,
		Quit:       2 * time.Second,
		LastWords:  2 * time.Second,
		StopDuring: 5 * time.Second,
	}
}
