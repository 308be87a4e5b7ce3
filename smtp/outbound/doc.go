// Package outbound hands messages to the next hop under the TLS policy of their
// destination (behaviour.md section 3).
//
// # Stages
//
// An attempt walks through named stages: route (which next hops), names (their
// addresses), policy (what TLS the destination needs at this address), connect,
// starttls, verify, auth (server profiles with credentials), transfer. A stage
// either passes on or ends in a failure, which names its class; no stage retries
// by itself. What follows a failure is decided in two places only: by the ladder
// (the same address once more, in another way) and by the walk over the
// candidates (the next address).
//
// # The ladder
//
// Clear text is never the reaction to a failed handshake within an attempt.
// Each way to use an address is a rung, a value of its own: TLS, TLS with a
// small ClientHello, clear. A rung below the first is reached only over a new
// connection, and the clear one only where the decision granted it (B24, B32),
// so there is no path on which a mandatory level could end in clear text.
//
// What preferred does allow is to go on in clear in the same session when the
// peer does not offer STARTTLS or refuses it before the 220 reply (B22): at
// that point nothing has failed.
//
// # Verification
//
// The handshake accepts every certificate; package tlsverify judges it
// afterwards, and the result is recorded whether it decides or not.
//
// # Live tests
//
// A [Verifier] takes the same stages up to and not including MAIL and notes each
// step (B71). It is the deliverer's own code, so that a test and a delivery at
// the same moment cannot come to different ends, and it changes nothing that a
// delivery goes by.
//
// # Connections
//
// Idle connections are kept and used again only for messages with the same
// requirement at the same address (B29); those of a server profile only for the
// mail of that profile, since the peer knows us by its credentials.
package outbound
