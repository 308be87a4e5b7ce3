package inbound

import (
	"bytes"
	"errors"
	"io"

	"postern/smtp/reply"
)

// maxReceivedCount is how many hosts a message may have passed (B19).
const maxReceivedCount = 50

// receivedName begins the field that each host on the way adds.
const receivedName = "Received:"

// content checks a message while it is written to its destination: line ends,
// line length, header size, loops, 8-bit octets. What it finds wrong is kept
// for the reply at the end; the rest of the message is then only counted, not
// written, so that the session stays in step with the client.
type content struct {
	dst       io.Writer
	maxBytes  int64
	maxHeader int
	maxLine   int   // with the CRLF
	trace     int64 // octets of ours that dst has before the message
	keep      bool  // keep the header, for content filters

	size     int64
	header   int  // octets of the header so far
	line     int  // octets of the line under way
	cr       bool // the line under way ends in CR so far
	body     bool // the header is over
	head     []byte
	kept     []byte // the header so far, if it is to be kept
	received int
	eightBit bool
	utf8Head bool
	// tlsRequired is what the header says of TLS (B58).
	tlsRequired tlsRequired
	refused     *reply.Reply
	err         error // of dst
}

// headOctets is how much of a line is kept to recognise a header field, and to
// read a short one.
const headOctets = 64

// Write takes decoded content: without dot-stuffing, without the final dot.
func (c *content) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	if c.size > c.maxBytes {
		c.refuse(reply.TooBig())
	}
	c.scan(p)
	if c.refused == nil && c.err == nil {
		_, c.err = c.dst.Write(p)
	}
	return len(p), nil
}

// finish checks what only the end can tell.
func (c *content) finish() {
	if c.cr || c.line > 0 {
		// A message that ends within a line came by BDAT; SMTP has only whole
		// lines to offer to the next hop.
		c.refuse(reply.BareLineEnd())
	}
}

func (c *content) refuse(r reply.Reply) {
	if c.refused == nil {
		c.refused = &r
	}
}

// scan looks at whole lines at a time where it can.
func (c *content) scan(p []byte) {
	if !c.eightBit && hasEightBit(p) {
		c.eightBit = true
	}
	for len(p) > 0 && c.refused == nil {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			c.partial(p)
			return
		}
		c.partial(p[:end])
		c.endLine()
		p = p[end+1:]
	}
}

// partial takes a piece of a line that holds no LF.
func (c *content) partial(p []byte) {
	if len(p) == 0 {
		return
	}
	// A CR is right only just before the LF: as the last octet of the line.
	if c.cr || bytes.IndexByte(p[:len(p)-1], '\r') >= 0 {
		c.refuse(reply.BareLineEnd())
		return
	}
	c.cr = p[len(p)-1] == '\r'
	if !c.body {
		c.scanHeader(p)
	}
	if c.line += len(p); c.line >= c.maxLine {
		c.refuse(reply.ContentLineTooLong())
	}
}

func (c *content) scanHeader(p []byte) {
	if room := headOctets - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(room, len(p))]...)
	}
	if c.eightBit && hasEightBit(p) {
		c.utf8Head = true
	}
	if c.keep {
		c.kept = append(c.kept, p...)
	}
	if c.header += len(p); c.header > c.maxHeader {
		c.refuse(reply.HeaderTooBig())
	}
}

// endLine takes the LF that ends a line.
func (c *content) endLine() {
	if !c.cr {
		c.refuse(reply.BareLineEnd())
		return
	}
	if !c.body {
		c.endHeaderLine()
	}
	c.line, c.cr, c.head = 0, false, c.head[:0]
}

func (c *content) endHeaderLine() {
	if c.keep {
		c.kept = append(c.kept, '\n')
	}
	c.header++       // the LF
	if c.line == 1 { // only the CR
		c.body = true
		return
	}
	c.tlsRequired.line(bytes.TrimSuffix(c.head, []byte("\r")), c.line <= headOctets)
	if len(c.head) >= len(receivedName) && bytes.EqualFold(c.head[:len(receivedName)], []byte(receivedName)) {
		if c.received++; c.received > maxReceivedCount {
			c.refuse(reply.LoopDetected())
		}
	}
}

// hasEightBit reports whether any octet is above 127.
func hasEightBit(p []byte) bool {
	for len(p) >= 8 {
		if (p[0]|p[1]|p[2]|p[3]|p[4]|p[5]|p[6]|p[7])&0x80 != 0 {
			return true
		}
		p = p[8:]
	}
	for _, c := range p {
		if c&0x80 != 0 {
			return true
		}
	}
	return false
}

// errEndOfData says that CRLF.CRLF was reached.
var errEndOfData = errors.New("end of data")

// dotDecoder undoes dot-stuffing and finds the end of DATA (RFC 5321 §4.5.2).
// Only CRLF.CRLF ends it; every other octet is passed on as it came, bare CR
// and LF too, for content to judge.
type dotDecoder struct {
	dst   io.Writer
	state dotState
}

// dotState is what the octets seen last were.
type dotState uint8

const (
	atLineStart dotState = iota // CRLF, or the very beginning
	inLine
	afterCR
	afterDot   // CRLF .
	afterDotCR // CRLF . CR
)

// decode takes octets from the wire and returns how many it used;
// errEndOfData where the end was among them.
func (d *dotDecoder) decode(p []byte) (int, error) {
	used := 0
	for used < len(p) {
		n, err := d.step(p[used:])
		used += n
		if err != nil {
			return used, err
		}
	}
	return used, nil
}

func (d *dotDecoder) step(p []byte) (int, error) {
	switch d.state {
	case atLineStart:
		if p[0] == '.' {
			d.state = afterDot
			return 1, nil
		}
		d.state = inLine
		return 0, nil
	case inLine:
		return d.stepInLine(p)
	case afterCR:
		return d.stepAfterCR(p)
	case afterDot:
		if p[0] == '\r' {
			d.state = afterDotCR
			return 1, nil
		}
		// The stuffed dot is gone; the octet behind it is content.
		d.state = inLine
		return 0, nil
	default: // afterDotCR
		if p[0] == '\n' {
			return 1, errEndOfData
		}
		// ". CR x" ends nothing: the dot was stuffing, the CR is bare.
		d.state = afterCR
		return 0, d.put([]byte{'\r'})
	}
}

// stepInLine passes on everything up to the next line's possible dot in one
// piece: whole lines at a time.
func (d *dotDecoder) stepInLine(p []byte) (int, error) {
	if i := bytes.Index(p, []byte("\r\n.")); i >= 0 {
		d.state = atLineStart
		return i + 2, d.put(p[:i+2])
	}
	switch {
	case bytes.HasSuffix(p, []byte("\r\n")):
		d.state = atLineStart
	case p[len(p)-1] == '\r':
		d.state = afterCR
	}
	return len(p), d.put(p)
}

func (d *dotDecoder) stepAfterCR(p []byte) (int, error) {
	if p[0] != '\n' {
		d.state = inLine
		return 0, nil
	}
	d.state = atLineStart
	return 1, d.put(p[:1])
}

func (d *dotDecoder) put(p []byte) error {
	_, err := d.dst.Write(p)
	return err
}
