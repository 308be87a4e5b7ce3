// Package webhook posts to addresses that administrators name, and takes events to
// them.
//
// A [Caller] is the one way out: what is posted from here must not become a way
// into the network that the gateway stands in. It judges the address that is really
// connected to, follows nobody elsewhere, uses no proxy and reads little. What it
// posts is signed as Standard Webhooks has it, so that a receiver can tell our
// calls from others', and old ones from new ones.
//
// The [Dispatcher] follows the log of events with one worker for each webhook of
// the configuration. It stands beside package alertmail, which takes alerts to
// their recipients by the same Caller: both are about getting word out of the
// gateway, and neither knows the other.
package webhook
