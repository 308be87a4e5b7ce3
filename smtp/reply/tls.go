package reply

// Replies about TLS: STARTTLS (RFC 3207), REQUIRETLS (RFC 8689), and outcomes
// of delivery that TLS decided.

// ReadyForTLS answers STARTTLS; the handshake follows.
func ReadyForTLS() Reply { return New(220, Status{0, 0}, "ready to start TLS") }

// MustStartTLS answers a command in clear on a listener that requires TLS
// (B15; RFC 3207 §4 has the words).
func MustStartTLS() Reply {
	return New(530, Status{7, 0}, "Must issue a STARTTLS command first")
}

// StartTLSArgument answers STARTTLS with an argument (B16).
func StartTLSArgument() Reply {
	return New(501, Status{5, 4}, "STARTTLS takes no argument")
}

// TLSUnavailable answers STARTTLS when no certificate is usable (B16).
func TLSUnavailable() Reply {
	return New(454, Status{7, 0}, "TLS is not available for now")
}

// TLSActive answers STARTTLS inside TLS (B16).
func TLSActive() Reply { return New(503, Status{5, 1}, "TLS is active already") }

// ClientCertificateRefused answers a client whose certificate is missing or
// does not verify (B17).
func ClientCertificateRefused() Reply {
	return New(554, Status{7, 0}, "a valid client certificate is needed")
}

// SenderMustUseTLS answers MAIL in clear from a TLS-mandatory sender (B17).
func SenderMustUseTLS() Reply {
	return New(530, Status{7, 0}, "this sender must use TLS: Must issue a STARTTLS command first")
}

// RequireTLSInClear answers MAIL with REQUIRETLS outside TLS (B58).
func RequireTLSInClear() Reply {
	return New(530, Status{7, 10}, "REQUIRETLS is for sessions under TLS only")
}

// RequireTLSValue answers MAIL with REQUIRETLS=value (B58).
func RequireTLSValue() Reply {
	return New(501, Status{5, 4}, "REQUIRETLS takes no value")
}

// RequireTLSOff answers MAIL with REQUIRETLS where it is not offered (B58).
func RequireTLSOff() Reply {
	return New(555, Status{5, 4}, "REQUIRETLS is not available")
}

// RequireTLSUnsupported bounces a flagged message: no host of the destination
// offers REQUIRETLS (B57; RFC 8689).
func RequireTLSUnsupported() Reply {
	return New(550, Status{7, 30}, "REQUIRETLS support required")
}

// RequireTLSFailed bounces a flagged message: no host of the destination gave
// acceptable TLS (B57).
func RequireTLSFailed() Reply {
	return New(550, Status{7, 10}, "encryption needed")
}

// TLSNotOffered defers a message whose destination must use TLS and does not
// offer it (B28). See [Reply.Permanently] for the bounce.
func TLSNotOffered() Reply {
	return New(450, Status{7, 4}, "TLS is required and was not offered")
}

// TLSFailed defers a message whose destination must use TLS and failed in the
// handshake or in verification, as text says (B28).
func TLSFailed(text string) Reply { return New(450, Status{7, 5}, text) }
