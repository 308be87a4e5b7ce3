// Package dns asks the configured resolvers what mail needs to know: MX, address,
// PTR, TXT and TLSA records.
//
// It is a stub resolver: it neither walks the tree nor validates signatures. It
// differs from the one of the standard library in what it tells about an answer,
// because mail policy turns on these differences:
//
//   - whether the resolver vouches for the answer (the AD bit, [Secure]), which
//     counts only from a resolver on this machine or one explicitly trusted (RFC
//     7672 §2.1.3), since anyone on the way can set a bit;
//   - whether a name has no such record ([NoData]), does not exist ([NoName]), or
//     could not be looked up. Only the first two say anything about the name: a
//     domain whose MX look-up fails has not lost its MX records (RFC 5321 §5.1),
//     and mail for it waits;
//   - whether a failure may be an attack ([Bogus]): a validating resolver answers
//     SERVFAIL for what does not verify (RFC 4035 §5.5).
//
// Names leave this package canonical, without the trailing dot; targets that are
// no names (an MX that is an address, say) are dropped and noted.
//
// Answers are kept for their TTL in a bounded cache, and equal questions at the
// same time are asked once.
package dns
