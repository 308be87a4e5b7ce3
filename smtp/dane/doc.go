// Package dane authenticates mail servers by TLSA records (RFC 7672, with RFC
// 7671 and RFC 6698): the owner of a host says in signed DNS which certificate or
// key the host shows, so that no authority need be trusted, and nobody on the way
// can pretend that there is no TLS.
//
// # What DNS says
//
// [Find] looks up the records of a host. They count only where DNSSEC vouches for
// every step to them, and a look-up that failed is no "there are none": whoever
// can drop an answer could switch the protection off. So there are four ends (RFC
// 7672 §2.2):
//
//   - [Absent]: the host's addresses are not signed, or it is denied under
//     signature that there are records. The host is as any other.
//   - [Usable]: a record authenticates. TLS is mandatory, and the certificate
//     must match.
//   - [Unusable]: there are records, but none that a mail client can go by. TLS is
//     mandatory, and nothing can be authenticated.
//   - [Failed]: it is not known. The host must wait.
//
// # What a record says
//
// Usage 3 (DANE-EE) names the server's own certificate or key. Names and dates in
// the certificate mean nothing then: the record binds the key to the host, for as
// long as it is published. Usage 2 (DANE-TA) names an authority; the server must
// show a chain that leads to it, valid now, for one of the reference names. Usages
// 0 and 1 add a condition to the public authorities, which for mail are no common
// ground, and are not usable (RFC 7672 §3.1.3). One match suffices.
//
// Apart from [Find], which asks through an interface, all is a pure function of
// its arguments, the time included.
package dane
