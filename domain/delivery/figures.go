package delivery

import "time"

// QueueFigures are the messages of which something is left to be done.
type QueueFigures struct {
	Queued, Held int64 // messages
	// Oldest is when the oldest of them was received; zero where there is none.
	Oldest time.Time
}
