// Package acme gets certificates from an authority by itself (RFC 8555, B48).
//
// An order names the host names of the certificate. For each of them the authority
// sets a challenge: something to be found under that name, by HTTP at port 80
// (http-01), in a TLS handshake at port 443 (tls-alpn-01, RFC 8737), or in a TXT record
// (dns-01), the only one that proves a wildcard. When all are proven, a request that our key signed is exchanged for the certificate. One name
// that cannot be proven ends the whole order.
//
// A [Client] talks to an authority. [Orders] makes a job of an order and puts what
// it got into service; the certificate before stays where anything fails. Renewal
// follows the authority's advice (ARI, RFC 9773), or the lifetime where it gives
// none.
package acme
