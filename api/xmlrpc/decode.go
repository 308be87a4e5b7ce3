package xmlrpc

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxMethodName bounds a method name in bytes; ours have fewer than 40.
const maxMethodName = 128

// methodCall is one decoded call. Each parameter is nil, bool, int64, float64,
// string, time.Time, []byte, []any or map[string]any.
type methodCall struct {
	name   string
	params []any
}

// decodeCall reads one methodCall and nothing else from body. charset is the one
// of the Content-Type, which overrides the XML declaration (RFC 7303 §3.2);
// empty if there is none. wantsLarge tells whether a method's calls may be
// largeBody long. Every error is a [*fault].
func decodeCall(body io.Reader, charset string, wantsLarge func(method string) bool) (methodCall, error) {
	limited := newLimitedBody(body)
	d, err := newDecoder(bufio.NewReader(limited), charset)
	if err != nil {
		return methodCall{}, err
	}
	call, err := d.call(func(method string) {
		if wantsLarge(method) {
			limited.raise()
		}
	})
	if err != nil {
		return methodCall{}, decodeFault(err)
	}
	return call, nil
}

// decodeFault classifies what stopped the decoder.
func decodeFault(err error) *fault {
	var f *fault
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errTooLarge):
		return notConforming("the call is longer than its method admits (%d bytes, %d for certificates)", smallBody, largeBody)
	case errors.As(err, &syntax):
		return &fault{code: codeNotWellFormed, text: fmt.Sprintf("not well-formed XML in line %d: %s", syntax.Line, clip(syntax.Msg))}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{code: codeNotWellFormed, text: "the body ends too early"}
	}
	return &fault{code: codeNotWellFormed, text: "the body cannot be read as XML: " + clip(err.Error())}
}

func notConforming(format string, args ...any) *fault {
	return &fault{code: codeNotConforming, text: fmt.Sprintf(format, args...)}
}

// clip bounds text of the peer that is shown to it again.
func clip(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// decoder walks over the tokens of a body. encoding/xml checks that the tags
// match and the characters are legal, and knows only the five entities; the
// decoder adds what it leaves open: no document type, no processing
// instructions, nothing after the root, no element nobody asked for.
type decoder struct {
	xml     *xml.Decoder
	started bool // a token was read, an XML declaration would come too late
}

func newDecoder(body *bufio.Reader, charset string) (*decoder, error) {
	// RFC 7303 §3: a byte order mark, then the Content-Type, then the declaration.
	if skipByteOrderMark(body) {
		charset = "utf-8"
	}
	x := xml.NewDecoder(body)
	x.CharsetReader = toUTF8
	if charset != "" {
		converted, err := toUTF8(charset, body)
		if err != nil {
			return nil, err
		}
		x = xml.NewDecoder(converted)
		x.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	}
	return &decoder{xml: x}, nil
}

// call reads the whole document. named is told the method before anything that
// follows its name is read.
func (d *decoder) call(named func(method string)) (methodCall, error) {
	if err := d.open("methodCall"); err != nil {
		return methodCall{}, err
	}
	name, err := d.methodName()
	if err != nil {
		return methodCall{}, err
	}
	named(name)
	params, err := d.params()
	if err != nil {
		return methodCall{}, err
	}
	return methodCall{name: name, params: params}, d.epilogue()
}

func (d *decoder) methodName() (string, error) {
	if err := d.open("methodName"); err != nil {
		return "", err
	}
	name, err := d.text()
	if err != nil {
		return "", err
	}
	name = strings.Trim(name, xmlSpace)
	return name, checkMethodName(name)
}

func checkMethodName(name string) error {
	if name == "" || len(name) > maxMethodName || strings.ContainsFunc(name, notInMethodName) {
		return notConforming("a method name consists of 1 to %d letters, digits, '_', '.', ':' and '/'", maxMethodName)
	}
	return nil
}

// notInMethodName follows the specification: identifier characters A to Z in
// both cases, digits, underscore, dot, colon and slash.
func notInMethodName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.:/", r)
}

// params reads the rest of the methodCall element. A call without parameters may
// leave the element out.
func (d *decoder) params() ([]any, error) {
	start, err := d.child()
	if err != nil || start == nil {
		return nil, err
	}
	if elementName(start) != "params" {
		return nil, unexpected(start, "params")
	}
	var params []any
	for {
		start, err := d.child()
		if err != nil {
			return nil, err
		}
		if start == nil {
			return params, d.close()
		}
		param, err := d.param(start)
		if err != nil {
			return nil, inParameter(len(params)+1, err)
		}
		params = append(params, param)
	}
}

func (d *decoder) param(start *xml.StartElement) (any, error) {
	if elementName(start) != "param" {
		return nil, unexpected(start, "param")
	}
	if err := d.open("value"); err != nil {
		return nil, err
	}
	value, err := d.value(1)
	if err != nil {
		return nil, err
	}
	return value, d.close()
}

// epilogue makes sure that only white space and comments follow the root.
func (d *decoder) epilogue() error {
	for {
		token, err := d.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if text, ok := token.(xml.CharData); !ok || !isSpace(text) {
			return notConforming("something follows the methodCall")
		}
	}
}

// open reads on to the start of an element that must come next.
func (d *decoder) open(want string) error {
	start, err := d.child()
	if err != nil {
		return err
	}
	if start == nil {
		return notConforming("element %s is missing", want)
	}
	if elementName(start) != want {
		return unexpected(start, want)
	}
	return nil
}

// close reads the end of an element that has no further child.
func (d *decoder) close() error {
	start, err := d.child()
	if err == nil && start != nil {
		return unexpected(start, "nothing more")
	}
	return err
}

// child returns the next child of an element that holds elements only, nil at
// the end of that element.
func (d *decoder) child() (*xml.StartElement, error) {
	for {
		token, err := d.next()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if !isSpace(t) {
				return nil, notConforming("text where only elements may be")
			}
		}
	}
}

// text returns the text up to the end of an element that holds text only.
func (d *decoder) text() (string, error) {
	var text strings.Builder
	for {
		token, err := d.next()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			return "", unexpected(&t, "text")
		case xml.EndElement:
			return text.String(), nil
		}
	}
}

// next returns the next start, end or text. Comments carry nothing.
func (d *decoder) next() (xml.Token, error) {
	for {
		token, err := d.xml.Token()
		if err != nil {
			return nil, err
		}
		first := !d.started
		d.started = true
		switch t := token.(type) {
		case xml.Comment:
			continue
		case xml.Directive:
			return nil, notConforming("a document type declaration is not allowed")
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return nil, notConforming("processing instructions are not allowed, an XML declaration only at the very start")
			}
			continue
		case xml.StartElement:
			if err := checkAttributes(t); err != nil {
				return nil, err
			}
		}
		return token, nil
	}
}

// checkAttributes refuses all but name space declarations, which clients that
// send ex:nil or ex:i8 need. XML-RPC itself has no attributes.
func checkAttributes(start xml.StartElement) error {
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			return notConforming("attribute %q: XML-RPC has no attributes", clip(a.Name.Local))
		}
	}
	return nil
}

// extensions is the name space of ex:nil and ex:i8 as Apache's library declares it.
const extensions = "http://ws.apache.org/xmlrpc/namespaces/extensions"

// elementName returns the name of an element, "ex:" before those of the extensions, and
// "?" for one of any other name space, which thus matches nothing.
func elementName(start *xml.StartElement) string {
	switch start.Name.Space {
	case "":
		return start.Name.Local
	case "ex", extensions:
		return "ex:" + start.Name.Local
	}
	return "?"
}

func unexpected(start *xml.StartElement, want string) *fault {
	return notConforming("element %q where %s should be", clip(start.Name.Local), want)
}

// xmlSpace is white space as XML 1.0 §2.3 defines it.
const xmlSpace = " \t\r\n"

func isSpace(text []byte) bool { return len(bytes.Trim(text, xmlSpace)) == 0 }
