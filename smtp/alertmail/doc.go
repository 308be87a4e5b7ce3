// Package alertmail takes alerts to those who are to hear of them, by mail or by
// webhook.
//
// Alert mail has a path of its own (B62): it never sees the queue, filters,
// routes or destination controls, since any of them may be what the alert is
// about. It goes straight to the mail exchangers of the recipient's domain, or
// to a smart host that is configured for it, under TLS where that can be had. The
// connections are made by the code of package outbound, on a configuration of
// the path's own, with little patience: a few tries within minutes, and what
// came of them is noted on the alert. Nothing that happens on this path raises
// an alert.
package alertmail
