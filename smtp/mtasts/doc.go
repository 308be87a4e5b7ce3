// Package mtasts finds the MTA-STS policies of other domains and keeps them (RFC 8461,
// B60). What policies are and mean is in domain/mtasts.
//
// A [Fetcher] gets the text of a policy over HTTPS. The [Cache] decides when: whenever
// mail is to be sent it looks at the id of the TXT record, and fetches where the id is
// new. An attacker who can forge DNS or cut off the web server must gain nothing, so
// that a policy that was fetched once stays in force until it expires, whatever happens
// to record and server. Nor does a fault of our own mean that there is no policy: mail
// waits where it cannot be told.
//
// The cache is in memory as a whole and written through to the database, whose faults
// it outlives. It refreshes policies that are in use before they expire, each day at
// another time, and forgets those that nobody has asked for in months.
package mtasts
