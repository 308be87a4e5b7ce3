package policy

// ServerPreference says in what order the URIs of a profile are used (B32).
type ServerPreference string

// The preferences; the empty one is failover.
const (
	PreferFailover   ServerPreference = "failover"    // the first that is in reach
	PreferRoundRobin ServerPreference = "round_robin" // by turns per connection
)
