package outbound

import (
	"bufio"
	"bytes"
	"errors"
)

// errBareLineFeed is returned for content in which a line feed without its
// carriage return stands before a dot.
var errBareLineFeed = errors.New("the content has a bare line feed before a dot")

// dotWriter writes the content of a message as DATA sends it: a dot at the
// beginning of a line is doubled, and Close adds the line that ends it (RFC 5321
// §4.5.2).
//
// Content is CRLF-clean from acceptance on (B19). The one place where a bare
// line feed would be dangerous, before a dot, where a lax peer could see the end
// of the message, is checked here all the same.
type dotWriter struct {
	out *bufio.Writer
	// before are the last two octets written; a fresh writer stands at the
	// beginning of a line.
	before [2]byte
}

func newDotWriter(out *bufio.Writer) *dotWriter {
	return &dotWriter{out: out, before: [2]byte{'\r', '\n'}}
}

var lineFeedDot = []byte("\n.")

// Write writes a piece of the content. It looks for dots in bulk: lines without
// one are not looked at each by itself.
func (d *dotWriter) Write(p []byte) (int, error) {
	rest := p
	if len(rest) > 0 && rest[0] == '.' && d.before[1] == '\n' {
		if err := d.stuff(); err != nil {
			return 0, err
		}
	}
	for {
		i := bytes.Index(rest, lineFeedDot)
		if i < 0 {
			break
		}
		if err := d.put(rest[:i+1]); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[i+1:]
		if err := d.stuff(); err != nil {
			return len(p) - len(rest), err
		}
	}
	if err := d.put(rest); err != nil {
		return len(p) - len(rest), err
	}
	return len(p), nil
}

// stuff writes the additional dot, at the beginning of a line.
func (d *dotWriter) stuff() error {
	if d.before != [2]byte{'\r', '\n'} {
		return errBareLineFeed
	}
	return d.out.WriteByte('.')
}

// put writes octets as they are, and remembers the last two.
func (d *dotWriter) put(p []byte) error {
	switch n := len(p); n {
	case 0:
		return nil
	case 1:
		d.before = [2]byte{d.before[1], p[0]}
	default:
		d.before = [2]byte{p[n-2], p[n-1]}
	}
	_, err := d.out.Write(p)
	return err
}

// Close ends the content, and its last line where that has no end. It does not
// flush.
func (d *dotWriter) Close() error {
	if d.before != [2]byte{'\r', '\n'} {
		if _, err := d.out.WriteString("\r\n"); err != nil {
			return err
		}
	}
	_, err := d.out.WriteString(".\r\n")
	return err
}
