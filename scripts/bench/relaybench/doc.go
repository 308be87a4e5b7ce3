// Relaybench measures mail relays from outside, side by side on one machine:
//
//	load --(SMTP)--> relay --(SMTP)--> sink
//
// Load and sink live in this process, so that a ledger can follow every message
// from the DATA command to its arrival behind the relay. A relay that answers 250
// and never delivers has lost a message, and a run in which one is lost, altered
// or, where nothing was killed, delivered twice is a failed run whatever its rate.
//
// # What is compared
//
// Messages per CPU second of the relay's process tree come first: noise of the
// machine disturbs them least. Then the rate from end to end, the time from DATA
// to 250, the time from 250 to the arrival, and the memory.
//
// # What makes it fair
//
// The relays run in turns within one run, in the other order every second time,
// and medians are compared. All durable writes stay on. Both TLS ends here offer
// X25519 and P-256 alone, because a hybrid group that one relay knows and another
// does not would measure the library's age. Certificates are ECDSA P-256.
package main
