package reply

// Replies about the connection, the order of commands and their form.

// Closing answers QUIT.
func Closing() Reply { return New(221, Status{0, 0}, "closing the connection") }

// OK answers a command that has nothing more to tell.
func OK() Reply { return New(250, Status{0, 0}, "OK") }

// AccessDenied is the greeting of a connection that the host access table
// rejects (B14).
func AccessDenied() Reply {
	return New(554, Status{7, 1}, "access denied")
}

// Busy turns a connection away at the maximum concurrency of a listener (B11).
func Busy() Reply {
	return New(421, Status{3, 2}, "too busy, try again later")
}

// TooManyConnections turns a connection away at the limit for its address (B14).
func TooManyConnections() Reply {
	return New(421, Status{7, 0}, "too many connections from your address")
}

// NamesUnknown turns a client away whose names could not be looked up, where one
// of them might have put it under a stricter policy (B13, B14).
func NamesUnknown() Reply {
	return New(421, Status{4, 3}, "your host name cannot be looked up now, try again later")
}

// ShuttingDown ends a session because the gateway stops or the listener is
// withdrawn (RFC 5321 §3.8).
func ShuttingDown() Reply {
	return New(421, Status{3, 2}, "service is closing, try again later")
}

// TimedOut ends a session whose client was silent or slow for too long (B19).
func TimedOut() Reply {
	return New(421, Status{4, 2}, "timeout, closing the connection")
}

// TooManyErrors ends a session after too many refused commands (B19).
func TooManyErrors() Reply {
	return New(421, Status{7, 0}, "too many errors, closing the connection")
}

// TooManyMessages ends a session at the messages allowed in it (B14).
func TooManyMessages() Reply {
	return New(421, Status{7, 0}, "too many messages in this connection")
}

// NotImplemented answers a command that is known and not served here, such as
// STARTTLS on a listener with TLS off (B15).
func NotImplemented(command string) Reply {
	return New(502, Status{5, 1}, command+" is not available")
}

// UnknownCommand answers what is no command (RFC 5321 §4.2.4).
func UnknownCommand() Reply {
	return New(500, Status{5, 2}, "command not recognised")
}

// BadSequence answers a command out of order; text says what must come first,
// or what may not.
func BadSequence(text string) Reply { return New(503, Status{5, 1}, text) }

// BadArgument answers a command whose argument is malformed.
func BadArgument(text string) Reply { return New(501, Status{5, 4}, text) }

// UnknownParameter answers an unknown parameter of MAIL or RCPT (RFC 5321
// §4.1.1.11).
func UnknownParameter(name string) Reply {
	return New(555, Status{5, 4}, "parameter "+name+" is not recognised")
}

// LineTooLong answers a command line beyond the limit (B19).
func LineTooLong() Reply { return New(500, Status{5, 2}, "line too long") }

// BareLineEndInCommand ends a session whose command holds a CR or LF alone
// (B19): what follows may be smuggled.
func BareLineEndInCommand() Reply {
	return New(521, Status{5, 2}, "only CRLF ends a line, closing the connection")
}
