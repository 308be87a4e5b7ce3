package dns

import (
	"errors"
	"fmt"
)

// Class says what came of a look-up. Insecure, Secure, NoData and NoName are
// answers; the others are failures, which come as [*Error] and say nothing about
// the name.
type Class uint8

// The classes.
const (
	// Failed: no server gave a usable answer (refused, malformed, unreachable).
	// It is the zero value, so that what nobody looked up is no answer.
	Failed Class = iota
	// Insecure: there are records; nobody vouches for them.
	Insecure
	// Secure: there are records, and a trusted resolver validated them.
	Secure
	// NoData: the name exists, without records of this type.
	NoData
	// NoName: the name does not exist (NXDOMAIN).
	NoName
	// Bogus: the resolver answers SERVFAIL. From a validating one this may mean
	// forged data, so it must never count as "no record".
	Bogus
	// Timeout: no server answered in time.
	Timeout
)

var classNames = [...]string{"failed", "insecure", "secure", "no data", "no name", "bogus", "timeout"}

// String returns the class in words.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Found reports whether there are records.
func (c Class) Found() bool { return c == Insecure || c == Secure }

// Error is a look-up that failed, of class Bogus, Timeout or Failed.
type Error struct {
	Class Class
	Name  string // as asked, without trailing dot
	Type  string // "MX", "A", …
	Err   error  // the last cause
}

// Error returns what was looked up, the class and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("look up %s of %s: %s: %v", e.Type, e.Name, e.Class, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports that trying later may help. It is always so: what is known
// for good comes as an answer.
func (e *Error) Temporary() bool { return true }

// ClassOf returns the class of the first [*Error] in the chain; Failed where
// there is none.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Failed
}
