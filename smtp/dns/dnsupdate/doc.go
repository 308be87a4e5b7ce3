// Package dnsupdate changes a zone of the DNS by dynamic update (RFC 2136): it adds a
// TXT record, waits until the servers of the zone give it out, and takes it away
// again, which is what an authority asks for as proof of a name.
//
// An update is one message to the primary server of the zone, signed by a key that
// both share (TSIG, RFC 8945). The answer is signed as well, and one that is not is
// not believed. Whoever holds the key can change what the server lets it change:
// servers should let it change TXT records at the one name and nothing else.
//
// A record belongs to a zone, the nearest name above it that has an SOA record, and
// can be elsewhere than its name says: a CNAME at `_acme-challenge.example.com` hands
// the proof over to a zone that is made for it, so that the key need not be one of
// the mail domain's zone.
package dnsupdate
