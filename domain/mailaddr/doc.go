// Package mailaddr holds the names of mail: domains, mailboxes, and the
// patterns by which an administrator picks some of them out.
//
// Text from outside is parsed once, into a canonical value; everything behind
// compares values. A [DomainName] is always in A-label form, lower case and
// without the trailing dot, so that a policy written for a U-label and a
// message sent to its A-label meet. A [Mailbox] keeps the local part as it was
// meant, quotes removed and case kept, because only the host that owns the
// domain may read it (RFC 5321 §2.3.11), and can write the wire form again.
//
// The patterns differ in what they look at:
//
//   - [HostPattern] picks recipient domains: routes (B31) and destination
//     controls (B21).
//   - [SenderPattern] picks clients by address or confirmed name: the host
//     access table (B13).
//   - [EndpointPattern] picks peers by address or name: the STARTTLS exemption
//     and required lists (B25).
//   - [AddressPattern] picks senders by their envelope address: those that must
//     use TLS (B14).
//
// All values are small, immutable and comparable, and all have a text form that
// parses to the same value again. Parsing errors are of kind domain.Invalid and
// say how to mend the text.
package mailaddr
