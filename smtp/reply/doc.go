// Package reply holds SMTP replies as values: those that the gateway gives, each
// under a name, and those that peers give, parsed.
//
// An SMTP reply says its class twice: in the first digit of the basic code (RFC
// 5321 §4.2.1) and in the first number of the enhanced status code (RFC 3463
// §2). A client believes the one, a person or a bounce reads the other, so the
// two must agree. Here they cannot differ: a [Reply] keeps subject and detail of
// the enhanced code only, and takes the class from the basic code.
//
// Replies that the gateway gives are functions, named after the situation
// ([MustStartTLS], [RelayDenied]): no other package writes codes by hand.
// Replies that peers give come from [Read] or [Parse]; their text is foreign and
// goes into logs and answers only through [Reply.String] or [Quote], which
// escape and bound it.
package reply
