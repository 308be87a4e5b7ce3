// Package domain holds the kernel that every other room shares: the one error
// type that crosses room borders. It imports nothing of ours.
package domain

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of failure an [Error] is, in terms that every edge (REST,
// XML-RPC, command line) can translate by one table.
type Kind uint8

// The kinds. Internal is the zero value: nobody classified the error.
const (
	Internal        Kind = iota // a fault of ours
	Invalid                     // a value breaks a rule; Faults say which and where
	NotFound                    // the named thing does not exist
	Conflict                    // the thing is in use, or exists already
	Stale                       // the caller's precondition no longer holds
	Unauthenticated             // no or wrong credentials
	Forbidden                   // the credentials do not allow it
	Exhausted                   // a limit of rate, size or number is reached
	Unavailable                 // cannot be done now; trying later may help
)

var kindNames = [...]string{
	"internal", "invalid", "not found", "conflict", "stale",
	"unauthenticated", "forbidden", "exhausted", "unavailable",
}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Fault is one broken rule of an input: where, and what to do about it.
type Fault struct {
	// Pointer is a JSON pointer (RFC 6901) into the document that was judged;
	// empty means the document as a whole.
	Pointer string
	// Message says what is wrong and how to mend it, without the pointer.
	Message string
	// Line is that of the input, from 1, where it is read line by line; the pointer
	// leads into the document of the line. 0: not by lines.
	Line int
}

// String returns "line: pointer: message", without what is not there.
func (f Fault) String() string {
	text := f.Message
	if f.Pointer != "" {
		text = f.Pointer + ": " + text
	}
	if f.Line > 0 {
		text = fmt.Sprintf("line %d: %s", f.Line, text)
	}
	return text
}

// Faults collects every broken rule of one input, so that a caller learns all
// of them at once. The zero value is ready for use.
type Faults []Fault

// Add records a fault at the pointer.
func (f *Faults) Add(pointer, format string, args ...any) {
	*f = append(*f, Fault{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

// Merge records the faults of a part of the document, whose pointers are
// relative to prefix.
func (f *Faults) Merge(prefix string, part Faults) {
	for _, p := range part {
		p.Pointer = prefix + p.Pointer
		*f = append(*f, p)
	}
}

// Err returns nil when there is no fault, else an Invalid [*Error] that holds
// them all.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	words := make([]string, len(f))
	for i, fault := range f {
		words[i] = fault.String()
	}
	return &Error{Kind: Invalid, Detail: strings.Join(words, "; "), Faults: f}
}

// Error is the error that crosses room borders. Detail is fit to be shown to
// the caller of an API; Err is the cause, for the log only.
type Error struct {
	Kind   Kind
	Detail string
	// Field is the JSON pointer of the part at fault, where there is one.
	Field string
	// Faults are all broken rules of an Invalid input.
	Faults Faults
	Err    error
}

// Error returns detail and cause in one line.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Kind.String()
	}
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// E makes an [*Error] of a kind with a detail for the caller.
func E(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Wrap adds what was attempted to a cause and keeps the cause's kind, faults
// and field. A nil cause stays nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// KindOf returns the kind of the first [*Error] in the chain; Internal where
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
