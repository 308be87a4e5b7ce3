// Package mtasts is SMTP MTA Strict Transport Security (RFC 8461): by a policy that it
// publishes over HTTPS, a domain says which hosts take its mail, and that they must be
// reached by verified TLS.
//
// A domain that has a policy says so in DNS, by a TXT record at _mta-sts.<domain> with
// an id ([ParseRecord]). The policy itself is a text at a well-known address below
// mta-sts.<domain> ([ParsePolicy]), and DNS could be forged without harm to it: whoever
// has once fetched the policy keeps it for as long as it says, whatever DNS or the web
// server say in the meantime. That is what an [Entry] is for. It ends early in one way
// only: by a newer policy that was fetched.
//
// The other side is [Hosting]: the policy of a domain of ours. Its id is a digest of
// its text, so that it changes exactly when the policy does.
//
// Everything here is values; fetching and the cache are in smtp/mtasts.
package mtasts
