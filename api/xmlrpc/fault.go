package xmlrpc

import (
	"context"
	"errors"
	"strconv"

	"postern/domain"
)

// The fault codes of the protocol itself, as XMLRPC-EPI numbered them. Faults of
// a method carry the HTTP status of the matching REST error instead.
const (
	codeNotWellFormed       = -32700 // the body is not XML
	codeUnsupportedEncoding = -32701 // the body is in a character set we do not read
	codeNotConforming       = -32600 // XML, but not a methodCall, or over a limit
	codeUnknownMethod       = -32601
	codeBadParams           = -32602 // a value that its type does not admit, or wrong arguments
	codeInternal            = -32603
)

// kindCodes is the one table from the kind of a domain error to a fault code:
// the HTTP status that the REST front gives to the same error.
var kindCodes = [...]int{
	domain.Internal:        codeInternal,
	domain.Invalid:         422,
	domain.NotFound:        404,
	domain.Conflict:        409,
	domain.Stale:           412,
	domain.Unauthenticated: 401,
	domain.Forbidden:       403,
	domain.Exhausted:       429,
	domain.Unavailable:     503,
}

// internalText is all that a caller learns of a fault of ours; the cause is in
// the log.
const internalText = "internal error; the cause is in the log of the gateway"

// fault is a failed call as the caller sees it: faultCode and faultString.
type fault struct {
	code int
	text string
}

// Error returns the text with its code.
func (f *fault) Error() string { return "fault " + strconv.Itoa(f.code) + ": " + f.text }

// faultOf translates any error of a call. It never lets out more than the detail
// of a [domain.Error]: its cause, and every error that nobody classified, stays
// inside.
func faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var e *domain.Error
	if errors.As(err, &e) {
		return faultOfDomain(e)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &fault{code: kindCodes[domain.Unavailable], text: "the call took too long and was given up"}
	}
	return &fault{code: codeInternal, text: internalText}
}

func faultOfDomain(e *domain.Error) *fault {
	if e.Kind == domain.Internal || int(e.Kind) >= len(kindCodes) {
		return &fault{code: codeInternal, text: internalText}
	}
	return &fault{code: kindCodes[e.Kind], text: textOf(e)}
}

// textOf returns the detail of e with all its faults. [domain.Faults.Err] makes
// the detail of the faults, so they are added only where it says something else.
func textOf(e *domain.Error) string {
	text := e.Detail
	if text == "" {
		text = e.Kind.String()
	}
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if all := faultsText(e.Faults); all != "" && all != e.Detail {
		text += ": " + all
	}
	return text
}

// badParams is the fault for arguments that break the rules of the method's
// parameters: all of them at once.
func badParams(faults domain.Faults) *fault {
	return &fault{code: codeBadParams, text: "invalid method parameters: " + faultsText(faults)}
}

// faultsText joins faults the way [domain.Faults.Err] does.
func faultsText(faults domain.Faults) string {
	var e *domain.Error
	if !errors.As(faults.Err(), &e) {
		return ""
	}
	return e.Detail
}
