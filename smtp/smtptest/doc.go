// Package smtptest holds the peers that tests of the gateway talk to: a scripted
// client, a mail exchanger with faults to order, a certificate authority, a DNS
// server with DNSSEC states and a server that inspects content. All of them live on the loopback, on ports that
// the system chooses, and end with the test.
//
// The peers are written on bare connections, not on the libraries that the
// gateway uses: a mistake in such a library must not hide behind itself.
//
// Rules of behaviour are best shown as dialogues, text files that a mail
// administrator can read, see [RunDialogue].
package smtptest
