package reply_test

import (
	"testing"

	"postern/smtp/reply"
)

// TestNamedReplies pins the codes that rules and RFCs fix.
func TestNamedReplies(t *testing.T) {
	tests := []struct {
		rule  string
		reply reply.Reply
		want  string // the start of the wire form
	}{
		{"RFC 5321 §4.1.1.10", reply.Closing(), "221 2.0.0 "},
		{"RFC 5321 §4.2.2", reply.OK(), "250 2.0.0 "},
		{"B11", reply.Busy(), "421 4.3.2 "},
		{"B14 reject", reply.AccessDenied(), "554 5.7.1 "},
		{"B14 connections", reply.TooManyConnections(), "421 4.7.0 "},
		{"B14 messages", reply.TooManyMessages(), "421 4.7.0 "},
		{"B14 recipients per hour", reply.TooManyRecipientsPerHour(), "452 4.7.0 "},
		{"B15 off", reply.NotImplemented("STARTTLS"), "502 5.5.1 STARTTLS is not available\r\n"},
		{"B15 required", reply.MustStartTLS(), "530 5.7.0 Must issue a STARTTLS command first\r\n"},
		{"B16 go", reply.ReadyForTLS(), "220 2.0.0 "},
		{"B16 argument", reply.StartTLSArgument(), "501 5.5.4 "},
		{"B16 no certificate", reply.TLSUnavailable(), "454 4.7.0 "},
		{"B16 inside TLS", reply.TLSActive(), "503 5.5.1 "},
		{"B17 certificate", reply.ClientCertificateRefused(), "554 5.7.0 "},
		{"B17 sender", reply.SenderMustUseTLS(), "530 5.7.0 "},
		{"B18", reply.RelayDenied(), "550 5.7.1 "},
		{"B19 content", reply.BareLineEnd(), "550 5.6.11 "},
		{"B19 command", reply.BareLineEndInCommand(), "521 5.5.2 "},
		{"B19 command line", reply.LineTooLong(), "500 5.5.2 "},
		{"B19 content line", reply.ContentLineTooLong(), "554 5.6.0 "},
		{"B19 header", reply.HeaderTooBig(), "552 5.3.4 "},
		{"B19 message", reply.TooBig(), "552 5.3.4 "},
		{"B19 recipients", reply.TooManyRecipients(), "452 4.5.3 "},
		{"B19 loop", reply.LoopDetected(), "554 5.4.6 "},
		{"B19 time", reply.TimedOut(), "421 4.4.2 "},
		{"B19 errors", reply.TooManyErrors(), "421 4.7.0 "},
		{"B28 not offered", reply.TLSNotOffered(), "450 4.7.4 "},
		{"B28 failed", reply.TLSFailed("handshake failed"), "450 4.7.5 handshake failed\r\n"},
		{"B57 not offered", reply.RequireTLSUnsupported(), "550 5.7.30 REQUIRETLS support required\r\n"},
		{"B57 no TLS", reply.RequireTLSFailed(), "550 5.7.10 "},
		{"B58 clear", reply.RequireTLSInClear(), "530 5.7.10 "},
		{"B58 value", reply.RequireTLSValue(), "501 5.5.4 "},
		{"B58 off", reply.RequireTLSOff(), "555 5.5.4 "},
		{"B74", reply.Queued("01JX"), "250 2.0.0 queued as 01JX\r\n"},
		{"B75", reply.Expired("not delivered in 5 days"), "550 5.4.7 "},
		{"B77 message", reply.SpoolUnavailable(), "451 4.3.0 "},
		{"B77 greeting", reply.SpoolClosed(), "421 4.3.0 "},
		{"B77 space", reply.LowSpace(), "452 4.3.1 "},
		{"RFC 5321 §3.8", reply.ShuttingDown(), "421 4.3.2 "},
		{"RFC 5321 §4.2.4", reply.UnknownCommand(), "500 5.5.2 "},
		{"RFC 5321 §4.1.4", reply.BadSequence("send MAIL first"), "503 5.5.1 send MAIL first\r\n"},
		{"RFC 3463 §3.6", reply.BadArgument("bad size"), "501 5.5.4 bad size\r\n"},
		{"RFC 5321 §4.1.1.11", reply.UnknownParameter("FOO"), "555 5.5.4 parameter FOO is not recognised\r\n"},
		{"RFC 3463 §3.2 sender", reply.SenderSyntax("no path"), "501 5.1.7 "},
		{"RFC 3463 §3.2 recipient", reply.RecipientSyntax("no path"), "501 5.1.3 "},
		{"MAIL", reply.SenderAccepted(), "250 2.1.0 "},
		{"RCPT", reply.RecipientAccepted(), "250 2.1.5 "},
		{"DATA", reply.StartMailInput(), "354 send"},
		{"RFC 6531 §3.5", reply.NeedsSMTPUTF8(), "553 5.6.7 "},
		{"RFC 3030 §2", reply.Truncated(), "554 5.5.4 "},
	}
	for _, test := range tests {
		wire := string(test.reply.Append(nil))
		if len(wire) < len(test.want) || wire[:len(test.want)] != test.want {
			t.Errorf("%s: %q, want it to begin with %q", test.rule, wire, test.want)
		}
	}
}
