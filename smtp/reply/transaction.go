package reply

// Replies about a mail transaction: sender, recipients, content, and what
// becomes of the message.

// SenderSyntax answers MAIL with a malformed path.
func SenderSyntax(text string) Reply { return New(501, Status{1, 7}, text) }

// RecipientSyntax answers RCPT with a malformed path.
func RecipientSyntax(text string) Reply { return New(501, Status{1, 3}, text) }

// SenderAccepted answers MAIL.
func SenderAccepted() Reply { return New(250, Status{1, 0}, "sender OK") }

// RecipientAccepted answers RCPT.
func RecipientAccepted() Reply { return New(250, Status{1, 5}, "recipient OK") }

// RelayDenied answers a recipient outside the hosted domains (B18).
func RelayDenied() Reply { return New(550, Status{7, 1}, "relaying denied") }

// TooManyRecipients answers a recipient beyond the limit for one message (B19;
// RFC 5321 §4.5.3.1.10).
func TooManyRecipients() Reply {
	return New(452, Status{5, 3}, "too many recipients in this message")
}

// TooManyRecipientsPerHour answers a recipient beyond the hourly limit (B14).
func TooManyRecipientsPerHour() Reply {
	return New(452, Status{7, 0}, "too many recipients from your address in this hour")
}

// NeedsSMTPUTF8 answers an address that is not ASCII without the parameter
// SMTPUTF8 (RFC 6531 §3.5).
func NeedsSMTPUTF8() Reply {
	return New(553, Status{6, 7}, "this address needs the parameter SMTPUTF8")
}

// StartMailInput answers DATA.
func StartMailInput() Reply {
	return Reply{Code: 354, Plain: true, Lines: []string{"send the message, end with a dot on a line of its own"}}
}

// TooBig answers a message beyond the size limit, announced or sent (RFC 1870
// §6).
func TooBig() Reply { return New(552, Status{3, 4}, "message too big") }

// HeaderTooBig answers a header beyond its limit (B19).
func HeaderTooBig() Reply { return New(552, Status{3, 4}, "message header too big") }

// ContentLineTooLong answers a message with a line beyond the limit (B19; RFC
// 5321 §4.5.3.1.6).
func ContentLineTooLong() Reply {
	return New(554, Status{6, 0}, "message has a line that is too long")
}

// BareLineEnd answers a message with a CR or LF alone (B19).
func BareLineEnd() Reply {
	return New(550, Status{6, 11}, "message has a bare CR or LF: only CRLF ends a line")
}

// Truncated answers a chunk with fewer octets than announced (RFC 3030 §2).
func Truncated() Reply {
	return New(554, Status{5, 4}, "the chunk has fewer octets than announced")
}

// LoopDetected answers a message with too many Received fields (B19).
func LoopDetected() Reply {
	return New(554, Status{4, 6}, "too many Received fields: mail loop")
}

// ContentRefused answers a message that a content filter rejects, as text says
// (B59).
func ContentRefused(text string) Reply { return New(550, Status{7, 1}, text) }

// ContentBlocked answers a message that content inspection refuses, for the
// reason in text (B34).
func ContentBlocked(text string) Reply {
	return New(550, Status{7, 1}, "content inspection refuses the message: "+text)
}

// NotInspected answers a message whose content could not be inspected for now
// (B34).
func NotInspected() Reply {
	return New(451, Status{7, 1}, "the content cannot be inspected for now, try again later")
}

// Queued answers a message that is durable (B74). It is the only reply that
// takes responsibility.
func Queued(id string) Reply { return New(250, Status{0, 0}, "queued as "+id) }

// SpoolUnavailable answers a message that the queue cannot store (B77).
func SpoolUnavailable() Reply {
	return New(451, Status{3, 0}, "the mail system cannot store messages for now")
}

// SpoolClosed turns a connection away while the queue cannot store (B77).
func SpoolClosed() Reply {
	return New(421, Status{3, 0}, "the mail system cannot store messages for now")
}

// LowSpace answers MAIL when the disk runs full (B77; RFC 1870 §6.1).
func LowSpace() Reply {
	return New(452, Status{3, 1}, "not enough space for now")
}

// Expired bounces a message whose time in the queue has run out, as text says
// (B75).
func Expired(text string) Reply { return New(550, Status{4, 7}, text) }
