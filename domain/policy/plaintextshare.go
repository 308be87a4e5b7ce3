package policy

import "postern/domain"

// PlaintextShare says how much mail may go in clear before it is an alert, each
// way by itself (B62).
type PlaintextShare struct {
	Incoming ShareBound `json:"incoming"`
	Outgoing ShareBound `json:"outgoing"`
}

// ShareBound is how great a share of the messages may go in clear. The other
// fields say nothing while it is not enabled.
type ShareBound struct {
	Enabled bool `json:"enabled"`
	// AbovePercent is the greatest share that is no alert.
	AbovePercent int `json:"above_percent" minimum:"0" maximum:"99"`
	// MinMessages is how many messages there must be, in clear or not: a share of
	// a handful says nothing.
	MinMessages int `json:"min_messages" minimum:"0" maximum:"1000000000"`
	// WindowHours is over how many full hours before the present one, and the
	// present one, the share is taken.
	WindowHours int `json:"window_hours" minimum:"0" maximum:"168"`
}

// Exceeded reports whether so many messages in clear, of all that there were, are
// more than the bound allows.
func (b ShareBound) Exceeded(clear, all int64) bool {
	return b.Enabled && all >= int64(b.MinMessages) && clear*100 > all*int64(b.AbovePercent)
}

func (s PlaintextShare) validate(f *domain.Faults) {
	s.Incoming.validate(f, "/plaintext_share/incoming")
	s.Outgoing.validate(f, "/plaintext_share/outgoing")
}

func (b ShareBound) validate(f *domain.Faults, place string) {
	least := 0
	if b.Enabled {
		least = 1
	}
	checkRange(f, place+"/above_percent", b.AbovePercent, 0, 99)
	checkRange(f, place+"/min_messages", b.MinMessages, least, 1_000_000_000)
	checkRange(f, place+"/window_hours", b.WindowHours, least, 168)
}
