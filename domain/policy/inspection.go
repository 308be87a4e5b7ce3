package policy

import "postern/domain"

// Unavailable says what becomes of a message that could not be inspected (B34).
type Unavailable string

// What becomes of it.
const (
	UnavailableDefer   Unavailable = "defer"   // 451: the client tries again
	UnavailableDeliver Unavailable = "deliver" // it goes on, uninspected
)

// TooBig says what becomes of a message that is too big to be inspected (B34).
type TooBig string

// What becomes of it. There is no "defer": it will not have shrunk later.
const (
	TooBigReject  TooBig = "reject"  // 552
	TooBigDeliver TooBig = "deliver" // it goes on, uninspected
)

// InspectionSettings say whether messages are shown to a MetaDefender Core before
// they are accepted (B34).
type InspectionSettings struct {
	Enabled bool   `json:"enabled"`
	Profile string `json:"profile"` // the server profile of type core that is asked
	// MaxMessageBytes is the largest message that is inspected; 0 is no limit
	// beside that of the listener.
	MaxMessageBytes int64       `json:"max_message_bytes"`
	OnTooBig        TooBig      `json:"on_too_big"`
	OnUnavailable   Unavailable `json:"on_unavailable"`
}

// DefaultInspectionSettings are those of a fresh installation: off, and once
// switched on nothing goes by uninspected.
func DefaultInspectionSettings() InspectionSettings {
	return InspectionSettings{OnTooBig: TooBigReject, OnUnavailable: UnavailableDefer}
}

// Validate reports every broken rule of the settings by themselves; that the
// profile exists is checked by domain/config.
func (s InspectionSettings) Validate() (f domain.Faults) {
	if s.Enabled && s.Profile == "" {
		f.Add("/profile", "is required: the name of a server profile of type %s", ServerCore)
	}
	if s.MaxMessageBytes < 0 || s.MaxMessageBytes > 1<<30 {
		f.Add("/max_message_bytes", "must be from 0 to %d", 1<<30)
	}
	checkOneOf(&f, "/on_too_big", s.OnTooBig, TooBigReject, TooBigDeliver)
	checkOneOf(&f, "/on_unavailable", s.OnUnavailable, UnavailableDefer, UnavailableDeliver)
	return f
}

// Warnings names what is allowed and yet should be looked at.
func (s InspectionSettings) Warnings() (f domain.Faults) {
	if s.Enabled && s.OnUnavailable == UnavailableDeliver {
		f.Add("/on_unavailable", "whoever can keep the Core from answering gets mail past it")
	}
	if s.Enabled && s.MaxMessageBytes > 0 && s.OnTooBig == TooBigDeliver {
		f.Add("/on_too_big", "a message that is made big enough gets past the Core")
	}
	return f
}
