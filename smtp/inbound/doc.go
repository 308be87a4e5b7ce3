// Package inbound receives mail. A [Socket] owns a listening address for as
// long as any configuration wants it; a [Handler] is what one generation of the
// configuration does with its connections; a session keeps the handler that it
// began with.
//
// A connection passes these stations: the host access table decides who the
// client is and which mail flow policy it gets (access.go); the wire holds its
// octets to the rules of SMTP and carries TLS (wire.go, content.go); the gate
// answers what depends on TLS (command.go); go-smtp keeps the order of commands
// and reads their parameters; the session judges sender, recipients and content
// and hands the message to the queue (session.go). 250 is said only when the
// queue has made the message durable (B74).
package inbound
