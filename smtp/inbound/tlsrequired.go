package inbound

import (
	"bytes"
	"strings"
)

// tlsRequiredName begins the field by which an author asks for delivery even
// where MTA-STS or DANE would hold the message back (RFC 8689 §3).
const tlsRequiredName = "TLS-Required:"

// tlsRequired reads the field TLS-Required while the header passes by. It lowers
// protection, so that anything but one field with the one defined value is as if
// there were none.
type tlsRequired struct {
	fields  int
	value   string
	open    bool // the line under way may continue the field
	spoiled bool // a line of the field is longer than what is kept of it
}

// line takes a line of the header without its line end, or the beginning of a
// longer one.
func (f *tlsRequired) line(head []byte, whole bool) {
	switch {
	case len(head) > 0 && (head[0] == ' ' || head[0] == '\t'):
		// RFC 5322 §2.2.3: white space continues the field above.
	case len(head) >= len(tlsRequiredName) && bytes.EqualFold(head[:len(tlsRequiredName)], []byte(tlsRequiredName)):
		f.open = true
		f.fields++
		head = head[len(tlsRequiredName):]
	default:
		f.open = false
	}
	if !f.open {
		return
	}
	f.spoiled = f.spoiled || !whole || len(f.value) > headOctets
	if !f.spoiled {
		f.value += string(head)
	}
}

// liftsRemotePolicy reports whether the message is to go out whatever MTA-STS and
// DANE say (B58). RFC 8689 §4.1: the parameter of MAIL voids the header.
func (t *transaction) liftsRemotePolicy(check *content) bool {
	return check.tlsRequired.no() && t.snapshot.Settings.RequireTLS.Enabled && !t.envelope.RequireTLS
}

// no reports whether the header says TLS-Required: No, and says it once.
func (f *tlsRequired) no() bool {
	return f.fields == 1 && !f.spoiled && strings.EqualFold(strings.Trim(f.value, " \t"), "No")
}
