// Package tlsverify judges the certificate that a mail server shows (B23), and
// the one that a client shows to us (B17).
//
// Verification for SMTP is not the verification of a web browser. There the
// handshake fails unless the certificate is good; here most mail is sent to
// peers whose certificate decides nothing, yet an administrator wants to know
// what would have happened. So the TLS client accepts any certificate in the
// handshake (InsecureSkipVerify), and this package looks at the chain
// afterwards and returns a [Result] that is recorded in any case. Whether a bad
// result ends the session is the caller's decision, made from the TLS level.
//
// Two questions are asked, and both must be answered with yes:
//
//   - Trust: does the chain lead to a root of the trust store, or is the
//     certificate pinned? See [Trust].
//   - Names: does the certificate speak for the name that the rule asks for?
//     Which one that is differs by rule: see [ForDomain], [ForHosted], [ForHost].
//
// A client answers the first question only: see [VerifyClient].
//
// The judgement is a pure function of its arguments, the time included.
package tlsverify
